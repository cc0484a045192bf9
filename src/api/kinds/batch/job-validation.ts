// Rules of jobs, also as a cron job's template: counts, failure and success policies, and what may still change later.
import { isConditionTrue } from '#api/conditions.ts'
import { duplicate, type FieldError, invalid, invalidUnshown, notSupported, required, tooLong, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { dnsLabel, qualifiedName } from '#api/names.ts'
import {
  checkDomainPrefixedPath,
  checkImmutable,
  checkMessages,
  checkNonNegative,
  each,
  type Errors,
  IMMUTABLE,
} from '#api/validation/checks.ts'
import { internalForm, mapForm, selectorForm } from '#api/validation/internal-form.ts'
import { isMalformedSelector, selectorMatches, validateLabelSelector } from '#api/validation/label-selector.ts'
import { validatePodTemplate } from '#api/validation/pod-template.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { JOB_NAME_LABEL, JOB_UID_LABEL } from '#api/well-known.ts'
import { readIndexes } from './job-indexes.ts'
import { validateJobStatus } from './job-status.ts'

type Job = types.Job
type Spec = types.JobSpec

const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const

export function validateJob(next: Job, previous: Job | undefined, { subresource }: HookContext): FieldError[] {
  if (subresource === 'status') return previous ? validateJobStatus(next, previous) : []
  const errors: Errors = []
  const spec = next.spec ?? ({} as Spec)
  checkGenerated(next, previous, errors)
  errors.push(...validateJobSpec(spec, 'spec', previous?.spec))
  checkSelector(spec, errors)
  if (previous?.spec) checkUpdate(next, previous, errors)
  const { completionMode, completions = 0 } = spec
  const name = next.metadata?.name ?? ''
  const hostname = `${name}-${completions - 1}`
  if (completionMode === 'Indexed' && completions > 0 && dnsLabel(hostname).length > 0)
    errors.push(invalid('metadata.name', name, `will not able to create pod with invalid DNS label: ${hostname}`))
  return errors
}

export function validateJobSpec(spec: Spec, path: string, previous?: Spec): FieldError[] {
  const errors: Errors = []
  for (const field of COUNTS) checkNonNegative(`${path}.${field}`, spec[field], errors)
  const { completionMode: mode, managedBy, maxFailedIndexes, backoffLimitPerIndex } = spec
  if (backoffLimitPerIndex === undefined && maxFailedIndexes !== undefined)
    errors.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
  if (managedBy !== undefined) {
    checkDomainPrefixedPath(`${path}.managedBy`, managedBy, errors)
    if (Buffer.byteLength(managedBy) > 63) errors.push(tooLong(`${path}.managedBy`, 63))
  }
  if (mode !== undefined && mode !== 'NonIndexed' && mode !== 'Indexed')
    errors.push(notSupported(`${path}.completionMode`, mode, ['NonIndexed', 'Indexed']))
  if (mode === 'Indexed') checkIndexed(spec, path, errors)
  if (mode === undefined || mode === 'NonIndexed')
    for (const [field, value] of Object.entries({ backoffLimitPerIndex, maxFailedIndexes }))
      if (value !== undefined) errors.push(invalid(`${path}.${field}`, value, 'requires indexed completion mode'))
  if (spec.podFailurePolicy) checkFailurePolicy(spec, `${path}.podFailurePolicy`, errors)
  if (spec.successPolicy && mode === 'Indexed') checkSuccessPolicy(spec, `${path}.successPolicy`, errors)
  else if (spec.successPolicy)
    errors.push(invalid(`${path}.successPolicy`, internalForm('SuccessPolicy', spec.successPolicy), 'requires indexed completion mode'))
  const replacement = spec.podReplacementPolicy
  const allowed = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed']
  if (replacement !== undefined && !allowed.includes(replacement))
    errors.push(notSupported(`${path}.podReplacementPolicy`, replacement, allowed))
  errors.push(...validatePodTemplate(spec.template, `${path}.template`, previous?.template))
  const policy = spec.template?.spec?.restartPolicy
  const at = `${path}.template.spec.restartPolicy`
  if (!policy || policy === 'Always') errors.push(required(at, 'valid values: "OnFailure", "Never"'))
  else if (policy !== 'OnFailure' && policy !== 'Never') errors.push(notSupported(at, policy, ['OnFailure', 'Never']))
  else if (spec.podFailurePolicy && policy !== 'Never')
    errors.push(invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified'))
  return errors
}

function checkIndexed(spec: Spec, path: string, errors: Errors): void {
  const { completions, parallelism = 0, maxFailedIndexes: failed } = spec
  const at = `${path}.maxFailedIndexes`
  if (completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'))
  if (parallelism > 100_000)
    errors.push(invalid(`${path}.parallelism`, parallelism, 'must be less than or equal to 100000 when completion mode is Indexed'))
  if (completions !== undefined && failed !== undefined && failed > completions)
    errors.push(invalid(at, failed, 'must be less than or equal to completions'))
  if (failed !== undefined && failed > 100_000) errors.push(invalid(at, failed, 'must be less than or equal to 100000'))
  if (spec.backoffLimitPerIndex === undefined || (completions ?? 0) <= 100_000) return
  const many = 'must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index'
  if (failed === undefined) errors.push(required(at, 'must be specified when completions is above 100000'))
  if (parallelism > 10_000) errors.push(invalid(`${path}.parallelism`, parallelism, many))
  if (failed !== undefined && failed > 10_000) errors.push(invalid(at, failed, many))
}

function checkFailurePolicy(spec: Spec, path: string, errors: Errors): void {
  const rules = spec.podFailurePolicy?.rules ?? []
  if (rules.length > 20) errors.push(tooMany(`${path}.rules`, rules.length, 20))
  const names = new Set(
    [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])].map(({ name }) => name),
  )
  each(rules, `${path}.rules`, ({ action, onExitCodes, onPodConditions }, at) => {
    checkListed(`${at}.action`, action, ['Count', 'FailIndex', 'FailJob', 'Ignore'], errors)
    if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
      errors.push(invalid(`${at}.action`, action, 'requires the backoffLimitPerIndex to be set'))
    if (onExitCodes) checkExitCodes(onExitCodes, `${at}.onExitCodes`, { names, errors })
    if (onPodConditions && onPodConditions.length > 20) errors.push(tooMany(`${at}.onPodConditions`, onPodConditions.length, 20))
    each(onPodConditions, `${at}.onPodConditions`, ({ type = '', status }, where) => {
      checkMessages(`${where}.type`, type, qualifiedName(type), errors)
      checkListed(`${where}.status`, status, ['False', 'True', 'Unknown'], errors)
    })
    if (onExitCodes && onPodConditions?.length)
      errors.push(invalidUnshown(at, 'specifying both OnExitCodes and OnPodConditions is not supported'))
    if (!onExitCodes && !onPodConditions?.length)
      errors.push(invalidUnshown(at, 'specifying one of OnExitCodes and OnPodConditions is required'))
  })
}

/** Upstream lists what is allowed where nothing is given, too. */
function checkListed(path: string, value: string | undefined, allowed: readonly string[], errors: Errors): void {
  if (!value) errors.push(required(path, `valid values: [${allowed.map((one) => JSON.stringify(one)).join(' ')}]`))
  else if (!allowed.includes(value)) errors.push(notSupported(path, value, allowed))
}

function checkExitCodes(
  rule: types.PodFailurePolicyOnExitCodesRequirement,
  path: string,
  { names, errors }: { names: Set<string>; errors: Errors },
): void {
  const { operator, containerName } = rule
  const values = rule.values ?? []
  checkListed(`${path}.operator`, operator, ['In', 'NotIn'], errors)
  if (containerName !== undefined && !names.has(containerName))
    errors.push(invalid(`${path}.containerName`, containerName, 'must be one of the container or initContainer names in the pod template'))
  if (values.length === 0) errors.push(invalid(`${path}.values`, rule.values ?? null, 'at least one value is required'))
  else if (values.length > 255) errors.push(tooMany(`${path}.values`, values.length, 255))
  const seen = new Set<number>()
  let ordered = true
  each(values, `${path}.values`, (value, at, index) => {
    if (operator === 'In' && value === 0) errors.push(invalid(at, value, 'must not be 0 for the In operator'))
    if (seen.has(value)) errors.push(duplicate(at, value))
    if (index > 0 && values[index - 1]! > value) ordered = false
    seen.add(value)
  })
  if (!ordered) errors.push(invalid(`${path}.values`, values, 'must be ordered'))
}

function checkSuccessPolicy({ successPolicy, completions = 0 }: Spec, path: string, errors: Errors): void {
  const rules = successPolicy?.rules ?? []
  if (rules.length === 0) errors.push(required(`${path}.rules`, 'at least one rules must be specified when the successPolicy is specified'))
  if (rules.length > 20) errors.push(tooMany(`${path}.rules`, rules.length, 20))
  each(rules, `${path}.rules`, ({ succeededCount, succeededIndexes: indexes }, at) => {
    if (succeededCount === undefined && indexes === undefined)
      errors.push(required(at, 'at least one of succeededCount or succeededIndexes must be specified'))
    let total = 0
    if (indexes !== undefined) {
      if (Buffer.byteLength(indexes) > INDEXES_LIMIT) errors.push(tooLong(`${at}.succeededIndexes`, INDEXES_LIMIT))
      const read = readIndexes(indexes, completions)
      if (typeof read === 'string') errors.push(invalid(`${at}.succeededIndexes`, indexes, `error parsing succeededIndexes: ${read}`))
      else total = read.reduce((sum, [first, last]) => sum + last - first + 1, 0)
    }
    if (succeededCount === undefined) return
    checkNonNegative(`${at}.succeededCount`, succeededCount, errors)
    const most = (limit: number, what: string) => {
      if (succeededCount > limit)
        errors.push(invalid(`${at}.succeededCount`, succeededCount, `must be less than or equal to ${limit} (the number of ${what})`))
    }
    most(completions, 'specified completions')
    if (indexes !== undefined) most(total, 'indexes in the specified succeededIndexes field')
  })
}

const INDEXES_LIMIT = 64 * 1024

/** Unless the user manages them, the selector and its labels are the server's. */
function checkGenerated({ spec, metadata }: Job, previous: Job | undefined, errors: Errors): void {
  if (spec?.manualSelector || !spec?.selector) return
  const { uid = '', name = '' } = metadata ?? {}
  const old = previous?.spec?.template?.metadata?.labels ?? {}
  // Jobs older than the labels with a prefix do without them.
  const prefixed =
    !previous || (Object.hasOwn(old, JOB_UID_LABEL) && Object.hasOwn(old, JOB_NAME_LABEL))
      ? { [JOB_UID_LABEL]: uid, [JOB_NAME_LABEL]: name }
      : {}
  const expected: Record<string, string> = { 'controller-uid': uid, 'job-name': name, ...prefixed }
  const labels = spec.template?.metadata?.labels ?? {}
  for (const [key, value] of Object.entries(expected)) {
    const at = `spec.template.metadata.labels[${key}]`
    if (!Object.hasOwn(labels, key)) errors.push(required(at, `must be '${value}'`))
    else if (labels[key] !== value) errors.push(invalid(at, mapForm(labels), `must be '${value}'`))
  }
  if (!isMalformedSelector(spec.selector) && !selectorMatches(spec.selector, expected))
    errors.push(invalid('spec.selector', selectorForm(spec.selector), '`selector` not auto-generated'))
}

function checkSelector({ selector, template }: Spec, errors: Errors): void {
  if (selector) errors.push(...validateLabelSelector(selector, 'spec.selector'))
  else errors.push(required('spec.selector'))
  if (!isMalformedSelector(selector) && !selectorMatches(selector, template?.metadata?.labels))
    errors.push(
      invalid('spec.template.metadata.labels', mapForm(template?.metadata?.labels), '`selector` does not match template `labels`'),
    )
}

function checkUpdate(next: Job, previous: Job, errors: Errors): void {
  const [spec, old] = [next.spec!, previous.spec!]
  if (spec.completionMode !== 'Indexed') checkImmutable('spec.completions', spec.completions, old.completions, errors)
  else if (spec.completions !== undefined && spec.completions !== old.completions && spec.completions !== spec.parallelism)
    errors.push(invalid('spec.completions', spec.completions, 'can only be modified in tandem with spec.parallelism'))
  checkImmutable('spec.selector', selectorForm(spec.selector), selectorForm(old.selector), errors)
  checkTemplateUpdate(next, previous, errors)
  checkImmutable('spec.completionMode', spec.completionMode, old.completionMode, errors)
  checkPolicy('PodFailurePolicy', 'podFailurePolicy', [spec, old], errors)
  for (const field of ['backoffLimitPerIndex', 'managedBy'] as const) checkImmutable(`spec.${field}`, spec[field], old[field], errors)
  checkPolicy('SuccessPolicy', 'successPolicy', [spec, old], errors)
}

function checkPolicy(shape: string, field: 'podFailurePolicy' | 'successPolicy', [spec, old]: [Spec, Spec], errors: Errors): void {
  if (!sameJson(spec[field], old[field]))
    errors.push(invalid(`spec.${field}`, spec[field] ? internalForm(shape, spec[field]) : null, IMMUTABLE))
}

/** Of a suspended job without pods, where its pods go and what they ask for may still be set. */
function checkTemplateUpdate(next: Job, previous: Job, errors: Errors): void {
  const [template, old] = [next.spec!.template, previous.spec!.template]
  const { suspend } = previous.spec!
  const { active, startTime, conditions } = previous.status ?? {}
  const idle = suspend === true && !active && (!startTime || isConditionTrue(conditions, 'Suspended'))
  if (!idle) {
    if (!sameJson(template, old)) errors.push(invalid('spec.template', internalForm('PodTemplateSpec', template), IMMUTABLE))
  } else if (!sameJson(fixedSpec(template?.spec), fixedSpec(old?.spec)))
    errors.push(invalid('spec.template.spec', internalForm('PodSpec', template?.spec), IMMUTABLE))
}

function fixedSpec(spec: types.PodSpec | undefined): unknown {
  const rest: Record<string, unknown> = { ...spec }
  for (const field of ['nodeSelector', 'tolerations', 'schedulingGates']) delete rest[field]
  const affinity = { ...spec?.affinity }
  delete affinity.nodeAffinity
  rest['affinity'] = affinity
  for (const list of ['containers', 'initContainers'] as const)
    rest[list] = spec?.[list]?.map((container) => ({ ...container, resources: {} }))
  return rest
}
