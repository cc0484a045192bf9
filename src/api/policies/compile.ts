// Policies with their expressions compiled. What does not compile is kept with the reason: a policy may have been stored before it stopped compiling.
import { BOOL, CelError, type CelProgram, compileCel, DYN, listOf, NULL, STRING, type Type } from '#api/cel/environment.ts'
import type { MutatingAdmissionPolicySpec, ValidatingAdmissionPolicySpec } from '#api/generated/types.ts'
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

/** Compiling, step by step: each step says how many characters of source it took. For `paced`: a policy may hold thousands of expressions. */
export type Compiling<T> = Generator<number, T>

/** Characters of source to compile before others have a turn. */
export const COMPILE_SLICE = 10_000

export function* compileValidatingPolicy(spec: ValidatingAdmissionPolicySpec, known: KnownTypes = {}): Compiling<CompiledValidatingPolicy> {
  const { names, shared } = yield* compileShared(spec, known)
  const environment = policyEnvironment(names)
  // Messages go to whoever asked: they are not told what others may do.
  const forMessages = policyEnvironment({ ...names, hasAuthorizer: false })
  const validations: CompiledValidation[] = []
  for (const [index, { expression, messageExpression }] of (spec.validations ?? []).entries()) {
    const path = `spec.validations[${index}]`
    const condition = yield* compile({ path: `${path}.expression`, expression, expects: [BOOL] }, environment)
    if (!messageExpression?.trim()) {
      validations.push({ condition })
      continue
    }
    const message = { path: `${path}.messageExpression`, expression: messageExpression, expects: [STRING] }
    validations.push({ condition, messageExpression: yield* compile(message, forMessages) })
  }
  const auditAnnotations: CompiledValidatingPolicy['auditAnnotations'] = []
  for (const [index, { key, valueExpression }] of (spec.auditAnnotations ?? []).entries()) {
    const source = { path: `spec.auditAnnotations[${index}].valueExpression`, expression: valueExpression, expects: [STRING, NULL] }
    auditAnnotations.push({ key, ...(yield* compile(source, environment)) })
  }
  return { ...shared, validations, auditAnnotations }
}

export function* compileMutatingPolicy(spec: MutatingAdmissionPolicySpec): Compiling<CompiledMutatingPolicy> {
  const { names, shared } = yield* compileShared(spec, { mutates: true })
  const environment = policyEnvironment(names)
  const mutations: CompiledMutatingPolicy['mutations'] = []
  for (const [index, { patchType, applyConfiguration, jsonPatch }] of (spec.mutations ?? []).entries()) {
    const path = `spec.mutations[${index}]`
    const patches = patchType === 'JSONPatch'
    const source = patches
      ? { path: `${path}.jsonPatch.expression`, expression: jsonPatch?.expression, expects: [PATCHES] }
      : { path: `${path}.applyConfiguration.expression`, expression: applyConfiguration?.expression, expects: [APPLY_CONFIGURATION] }
    mutations.push({ patchType: patches ? 'JSONPatch' : 'ApplyConfiguration', ...(yield* compile(source, environment)) })
  }
  return { ...shared, mutations }
}

type SharedSpec = Pick<ValidatingAdmissionPolicySpec & MutatingAdmissionPolicySpec, 'paramKind' | 'matchConditions' | 'variables'>

function* compileShared(spec: SharedSpec, more: Partial<PolicyNames>): Compiling<{ names: PolicyNames; shared: SharedParts }> {
  const types = new Map<string, Type>()
  const names: PolicyNames = { hasParams: spec.paramKind !== undefined, hasAuthorizer: true, ...more }
  const matchConditions: NamedCompiled[] = []
  // Conditions come before everything else: they know no variables, and mutate nothing.
  const forConditions = policyEnvironment({ ...names, mutates: false })
  for (const [index, { name, expression }] of (spec.matchConditions ?? []).entries()) {
    const source = { path: `spec.matchConditions[${index}].expression`, expression, expects: [BOOL] }
    matchConditions.push({ name, ...(yield* compile(source, forConditions)) })
  }
  const withVariables = { ...names, variables: types }
  const environment = policyEnvironment(withVariables)
  const variables: NamedCompiled[] = []
  for (const [index, { name, expression }] of (spec.variables ?? []).entries()) {
    const made = yield* compile({ path: `spec.variables[${index}].expression`, expression }, environment)
    // Known to those that follow, so none can refer to itself.
    if (name) types.set(name, made.program?.type ?? DYN)
    variables.push({ name, ...made })
  }
  return { names: withVariables, shared: { matchConditions, variables } }
}

interface Source {
  path: string
  expression: string | undefined
  /** What it must come to, exactly: what could be anything is not enough. */
  expects?: readonly Type[]
}

function* compile({ path, expression = '', expects }: Source, environment: Environment): Compiling<Compiled> {
  yield expression.length + 20
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
