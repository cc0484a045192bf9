// Rules of CEL policies: their form, and that their expressions compile.
import { RESERVED_WORDS } from '#api/cel/escape.ts'
import { duplicate, type FieldError, invalid, required } from '#api/field-error.ts'
import type {
  MutatingAdmissionPolicySpec,
  ValidatingAdmissionPolicySpec,
  ValidatingAdmissionPolicyStatus,
  Variable,
} from '#api/generated/types.ts'
import { validateConditions } from '#api/meta/object-meta.ts'
import { qualifiedName } from '#api/names.ts'
import { COMPILE_SLICE, type Compiled, compileMutatingPolicy, compileValidatingPolicy } from '#api/policies/compile.ts'
import { checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { paced } from '#lib/paced.ts'
import { checkMatchConditions, checkMatchResources, checkParamKind, defaultMatchResources } from './rules.ts'

type Shared = Pick<
  ValidatingAdmissionPolicySpec & MutatingAdmissionPolicySpec,
  'failurePolicy' | 'matchConstraints' | 'matchConditions' | 'paramKind' | 'variables'
>

export function defaultPolicySpec(spec: Shared | undefined): void {
  if (!spec) return
  spec.failurePolicy ??= 'Fail'
  defaultMatchResources(spec.matchConstraints)
}

const LONGEST_VALUE = 5 * 1024

export function validateValidatingPolicy(spec: ValidatingAdmissionPolicySpec, name: string | undefined): FieldError[] {
  const errors: Errors = []
  checkShared(spec, errors)
  if (!spec.validations?.length && !spec.auditAnnotations?.length) {
    errors.push(required('spec.validations', 'validations or auditAnnotations must contain at least one item'))
    errors.push(required('spec.auditAnnotations', 'validations or auditAnnotations must contain at least one item'))
  }
  each(spec.validations, 'spec.validations', ({ expression = '', message = '', messageExpression = '', reason }, at) => {
    if (!expression.trim()) errors.push(required(`${at}.expression`, 'expression is not specified'))
    if (messageExpression && !messageExpression.trim())
      errors.push(invalid(`${at}.messageExpression`, messageExpression, 'must be non-empty if specified'))
    if (message && !message.trim()) errors.push(invalid(`${at}.message`, message, 'message must be non-empty if specified'))
    else if (/[\n\r]/.test(message.trim())) errors.push(invalid(`${at}.message`, message, 'message must not contain line breaks'))
    if (reason !== undefined) checkOneOf(`${at}.reason`, reason, ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'], errors)
  })
  const keys = new Set<string>()
  if ((spec.auditAnnotations?.length ?? 0) > 20)
    errors.push(invalid('spec.auditAnnotations', spec.auditAnnotations, 'must not have more than 20 auditAnnotations'))
  each(spec.auditAnnotations, 'spec.auditAnnotations', ({ key = '', valueExpression }, at) => {
    // That is how it is going to be called in the log.
    if (name) checkMessages(`${at}.key`, `${name}/${key}`, qualifiedName(`${name}/${key}`), errors)
    else errors.push(invalid(`${at}.key`, key, 'requires metadata.name be non-empty'))
    const expression = valueExpression?.trim()
    if (!expression) errors.push(required(`${at}.valueExpression`, 'valueExpression is not specified'))
    else if (Buffer.byteLength(expression) > LONGEST_VALUE)
      errors.push(required(`${at}.valueExpression`, `must not exceed ${LONGEST_VALUE} bytes in length`))
    if (keys.has(key)) errors.push(duplicate(`${at}.key`, key))
    keys.add(key)
  })
  return errors
}

/** Of the status: what the types of expressions were found to be, and conditions. */
export function validatePolicyStatus(status: ValidatingAdmissionPolicyStatus | undefined): FieldError[] {
  const errors: Errors = []
  each(status?.typeChecking?.expressionWarnings, 'status.typeChecking.expressionWarnings', ({ warning, fieldRef }, at) => {
    if (!warning) errors.push(required(`${at}.warning`))
    if (!fieldRef?.trim()) errors.push(required(`${at}.fieldRef`))
  })
  return [...errors, ...validateConditions(status?.conditions, 'status.conditions')]
}

export function validateMutatingPolicy(spec: MutatingAdmissionPolicySpec): FieldError[] {
  const errors: Errors = []
  checkShared(spec, errors, ['CREATE', 'UPDATE'])
  if (!spec.mutations?.length) errors.push(required('spec.mutations', 'mutations must contain at least one item'))
  each(spec.mutations, 'spec.mutations', ({ patchType, jsonPatch, applyConfiguration }, at) => {
    if (!patchType) return void errors.push(required(`${at}.patchType`))
    if (patchType !== 'JSONPatch' && patchType !== 'ApplyConfiguration')
      return void checkOneOf(`${at}.patchType`, patchType, ['ApplyConfiguration', 'JSONPatch'], errors)
    const [own, other, wanted, unwanted] =
      patchType === 'JSONPatch'
        ? ([jsonPatch, applyConfiguration, 'jsonPatch', 'applyConfiguration'] as const)
        : ([applyConfiguration, jsonPatch, 'applyConfiguration', 'jsonPatch'] as const)
    if (!own) errors.push(required(`${at}.${wanted}`, `must be specified when patchType is ${patchType}`))
    else if (!own.expression?.trim()) errors.push(required(`${at}.${wanted}.expression`))
    if (other) errors.push(invalid(`${at}.${unwanted}`, `{${unwanted}}`, `must not be specified when patchType is ${patchType}`))
  })
  if (!spec.reinvocationPolicy) errors.push(required('spec.reinvocationPolicy'))
  else checkOneOf('spec.reinvocationPolicy', spec.reinvocationPolicy, ['IfNeeded', 'Never'], errors)
  return errors
}

/** Whether the expressions compile: asked when they are new. Compiling many takes long. */
export async function validateValidatingExpressions(spec: ValidatingAdmissionPolicySpec): Promise<FieldError[]> {
  const { matchConditions, variables, validations, auditAnnotations } = await paced(compileValidatingPolicy(spec), COMPILE_SLICE)
  const own = validations.flatMap(({ condition, messageExpression }) => [condition, ...(messageExpression ? [messageExpression] : [])])
  return refused([...matchConditions, ...variables, ...own, ...auditAnnotations])
}

export async function validateMutatingExpressions(spec: MutatingAdmissionPolicySpec): Promise<FieldError[]> {
  const { matchConditions, variables, mutations } = await paced(compileMutatingPolicy(spec), COMPILE_SLICE)
  return refused([...matchConditions, ...variables, ...mutations])
}

/** What is missing has been told already. */
const refused = (compiled: readonly Compiled[]): FieldError[] =>
  compiled.flatMap(({ path, expression, error }) => (error !== undefined && expression.trim() ? [invalid(path, expression, error)] : []))

function checkShared(spec: Shared, errors: Errors, operations?: readonly string[]): void {
  if (spec.failurePolicy === undefined) errors.push(required('spec.failurePolicy'))
  else checkOneOf('spec.failurePolicy', spec.failurePolicy, ['Fail', 'Ignore'], errors)
  checkParamKind(spec.paramKind, 'spec.paramKind', errors)
  if (!spec.matchConstraints) errors.push(required('spec.matchConstraints'))
  else
    checkMatchResources(spec.matchConstraints, 'spec.matchConstraints', errors, {
      rulesRequired: true,
      ...(operations ? { operations } : {}),
    })
  checkMatchConditions(spec.matchConditions, 'spec.matchConditions', errors)
  checkVariables(spec.variables, errors)
}

function checkVariables(variables: Variable[] | undefined, errors: Errors): void {
  each(variables, 'spec.variables', ({ name, expression }, at) => {
    if (!name?.trim()) errors.push(required(`${at}.name`, 'name is not specified'))
    else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) || RESERVED_WORDS.has(name))
      errors.push(invalid(`${at}.name`, name, 'name is not a valid CEL identifier'))
    if (!expression?.trim()) errors.push(required(`${at}.expression`, 'expression is not specified'))
  })
}

const VALIDATION_ACTIONS = ['Audit', 'Deny', 'Warn']

export function checkActions(actions: string[] | undefined, errors: Errors): void {
  const at = 'spec.validationActions'
  const seen = new Set<string>()
  each(actions, at, (action, where) => {
    checkOneOf(where, action, VALIDATION_ACTIONS, errors)
    if (seen.has(action)) errors.push(duplicate(where, action))
    seen.add(action)
  })
  if (seen.has('Deny') && seen.has('Warn'))
    errors.push(
      invalid(
        at,
        actions,
        'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      ),
    )
  if (!actions?.length) errors.push(required(at, 'at least one validation action is required'))
}
