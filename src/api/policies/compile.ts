// Policies with their expressions compiled. What does not compile is kept with the reason: a policy may have been stored before it stopped compiling.
import { BOOL, CelError, type CelProgram, compileCel, DYN, listOf, NULL, STRING, type Type } from '#api/cel/environment.ts'
import type { MatchCondition, MutatingAdmissionPolicySpec, ValidatingAdmissionPolicySpec, Variable } from '#api/generated/types.ts'
import type { Environment } from '#lib/cel/program.ts'
import { policyEnvironment, type PolicyNames } from './environment.ts'
import { APPLY_CONFIGURATION, JSON_PATCH } from './mutation-types.ts'

export interface Compiled {
  /** Where it stands in the policy: spec.validations[0].expression. */
  path: string
  expression: string
  program?: CelProgram
  /** Why there is no program. */
  error?: string
}

export interface NamedCompiled extends Compiled {
  name: string
}

interface SharedParts {
  matchConditions: NamedCompiled[]
  variables: NamedCompiled[]
}

export interface CompiledValidation {
  condition: Compiled
  messageExpression?: Compiled
}

export interface CompiledValidatingPolicy extends SharedParts {
  validations: CompiledValidation[]
  auditAnnotations: (Compiled & { key: string })[]
}

export interface CompiledMutatingPolicy extends SharedParts {
  mutations: (Compiled & { patchType: 'ApplyConfiguration' | 'JSONPatch' })[]
}

const PATCHES = listOf(JSON_PATCH)

export type KnownTypes = Pick<PolicyNames, 'object' | 'params'>

export function compileValidatingPolicy(spec: ValidatingAdmissionPolicySpec, known: KnownTypes = {}): CompiledValidatingPolicy {
  const { names, shared } = compileShared(spec, known)
  const environment = policyEnvironment(names)
  // Messages go to whoever asked: they are not told what others may do.
  const forMessages = policyEnvironment({ ...names, hasAuthorizer: false })
  return {
    ...shared,
    validations: (spec.validations ?? []).map(({ expression, messageExpression }, index) => {
      const path = `spec.validations[${index}]`
      const condition = compile({ path: `${path}.expression`, expression, expects: [BOOL] }, environment)
      if (!messageExpression?.trim()) return { condition }
      const message = compile({ path: `${path}.messageExpression`, expression: messageExpression, expects: [STRING] }, forMessages)
      return { condition, messageExpression: message }
    }),
    auditAnnotations: (spec.auditAnnotations ?? []).map(({ key, valueExpression }, index) => {
      const path = `spec.auditAnnotations[${index}].valueExpression`
      return { key, ...compile({ path, expression: valueExpression, expects: [STRING, NULL] }, environment) }
    }),
  }
}

export function compileMutatingPolicy(spec: MutatingAdmissionPolicySpec): CompiledMutatingPolicy {
  const { names, shared } = compileShared(spec, { mutates: true })
  const environment = policyEnvironment(names)
  return {
    ...shared,
    mutations: (spec.mutations ?? []).map(({ patchType, applyConfiguration, jsonPatch }, index) => {
      const path = `spec.mutations[${index}]`
      if (patchType === 'JSONPatch') {
        const expression = jsonPatch?.expression ?? ''
        return { patchType, ...compile({ path: `${path}.jsonPatch.expression`, expression, expects: [PATCHES] }, environment) }
      }
      const expression = applyConfiguration?.expression ?? ''
      const source = { path: `${path}.applyConfiguration.expression`, expression, expects: [APPLY_CONFIGURATION] }
      return { patchType: 'ApplyConfiguration', ...compile(source, environment) }
    }),
  }
}

/** Match conditions of a webhook, too: they know neither parameters nor variables. */
export function compileMatchConditions(
  conditions: readonly MatchCondition[] | undefined,
  { path, hasParams }: { path: string; hasParams: boolean },
): NamedCompiled[] {
  if (!conditions?.length) return []
  const environment = policyEnvironment({ hasParams, hasAuthorizer: true })
  return conditions.map(({ name, expression }, index) => ({
    name,
    ...compile({ path: `${path}[${index}].expression`, expression, expects: [BOOL] }, environment),
  }))
}

type SharedSpec = Pick<ValidatingAdmissionPolicySpec & MutatingAdmissionPolicySpec, 'paramKind' | 'matchConditions' | 'variables'>

function compileShared(spec: SharedSpec, more: Partial<PolicyNames>) {
  const names: PolicyNames = { hasParams: spec.paramKind !== undefined, hasAuthorizer: true, ...more }
  const types = new Map<string, Type>()
  const environment = policyEnvironment({ ...names, variables: types })
  const compileVariable = ({ name, expression }: Variable, index: number): NamedCompiled => {
    const made = compile({ path: `spec.variables[${index}].expression`, expression }, environment)
    // Known to those that follow, so none can refer to itself.
    if (name) types.set(name, made.program?.type ?? DYN)
    return { name, ...made }
  }
  const matchConditions = compileMatchConditions(spec.matchConditions, { path: 'spec.matchConditions', hasParams: names.hasParams })
  const variables = (spec.variables ?? []).map(compileVariable)
  return { names: { ...names, variables: types }, shared: { matchConditions, variables } }
}

interface Source {
  path: string
  expression: string | undefined
  /** What it must come to, exactly: what could be anything is not enough. */
  expects?: readonly Type[]
}

function compile({ path, expression = '', expects }: Source, environment: Environment): Compiled {
  try {
    const program = compileCel(expression, environment)
    if (!expects || expects.some((type) => String(type) === String(program.type))) return { path, expression, program }
    return { path, expression, error: wrongType(expects, program.type) }
  } catch (error) {
    if (error instanceof CelError) return { path, expression, error: error.message }
    throw error
  }
}

const spell = (type: Type): string => (type === NULL ? 'null_type' : String(type))

function wrongType(expects: readonly Type[], type: Type): string {
  const wanted = expects.length === 1 ? spell(expects[0]!) : `one of [${expects.map(spell).join(' ')}]`
  return `must evaluate to ${wanted} but got ${spell(type)}`
}
