// Rules of jobs, also as a cron job's template: counts, failure and success policies, and what may still change later.
import { duplicate, type FieldError, invalid, notSupported, required, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { isConditionTrue } from '#api/kinds/columns.ts'
import { dnsLabel, domainPrefixedPath } from '#api/names.ts'
import { checkImmutable, checkMessages, checkNonNegative, checkOneOf, each, type Errors, IMMUTABLE } from '#api/validation/checks.ts'
import { selectorMatches, validateLabelSelector } from '#api/validation/label-selector.ts'
import { validatePodTemplate } from '#api/validation/pod-template.ts'
import { sameJson } from '#api/validation/same-json.ts'

type Job = types.Job
type Spec = types.JobSpec

const UID = 'batch.kubernetes.io/controller-uid'
const NAME = 'batch.kubernetes.io/job-name'
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
  const errors: Errors = []
  if (subresource === 'status') {
    for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const)
      checkNonNegative(`status.${field}`, next.status?.[field], errors)
    return errors
  }
  const spec = next.spec ?? ({} as Spec)
  errors.push(...validateJobSpec(spec, 'spec'))
  if (!previous) checkSelector(next, errors)
  else if (previous.spec) checkUpdate(next, previous, errors)
  if (spec.completionMode === 'Indexed' && spec.completions !== undefined && next.metadata?.name) {
    const hostname = `${next.metadata.name}-${Math.max(spec.completions - 1, 0)}`
    if (dnsLabel(hostname).length > 0)
      errors.push(invalid('metadata.name', next.metadata.name, `will not able to create pod with invalid DNS label: ${hostname}`))
  }
  return errors
}

export function validateJobSpec(spec: Spec, path: string): FieldError[] {
  const errors: Errors = []
  for (const field of COUNTS) checkNonNegative(`${path}.${field}`, spec[field], errors)
  if (spec.completionMode !== undefined) {
    checkOneOf(`${path}.completionMode`, spec.completionMode, ['Indexed', 'NonIndexed'], errors)
    if (spec.completionMode === 'Indexed') checkIndexed(spec, path, errors)
  }
  if (spec.completionMode !== 'Indexed') {
    if (spec.backoffLimitPerIndex !== undefined)
      errors.push(invalid(`${path}.backoffLimitPerIndex`, spec.backoffLimitPerIndex, 'requires indexed completion mode'))
    if (spec.successPolicy) errors.push(invalid(`${path}.successPolicy`, spec.successPolicy, 'requires indexed completion mode'))
  }
  if (spec.backoffLimitPerIndex === undefined && spec.maxFailedIndexes !== undefined)
    errors.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
  if (spec.maxFailedIndexes !== undefined && spec.completions !== undefined && spec.maxFailedIndexes > spec.completions)
    errors.push(invalid(`${path}.maxFailedIndexes`, spec.maxFailedIndexes, 'must be less than or equal to completions'))
  if (spec.managedBy !== undefined) {
    checkMessages(`${path}.managedBy`, spec.managedBy, domainPrefixedPath(spec.managedBy), errors)
    if (spec.managedBy.length > 63)
      errors.push({ type: 'FieldValueTooLong', field: `${path}.managedBy`, message: 'Too long: may not be more than 63 bytes' })
  }
  if (spec.podFailurePolicy) checkFailurePolicy(spec, `${path}.podFailurePolicy`, errors)
  if (spec.successPolicy) checkSuccessPolicy(spec, `${path}.successPolicy`, errors)
  if (spec.podReplacementPolicy !== undefined) {
    const allowed = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed']
    checkOneOf(`${path}.podReplacementPolicy`, spec.podReplacementPolicy, allowed, errors)
  }
  errors.push(...validateLabelSelector(spec.selector, `${path}.selector`), ...validatePodTemplate(spec.template, `${path}.template`))
  const policy = spec.template?.spec?.restartPolicy
  if (!policy || policy === 'Always') errors.push(required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"'))
  else if (policy !== 'OnFailure' && policy !== 'Never')
    errors.push(notSupported(`${path}.template.spec.restartPolicy`, policy, ['Never', 'OnFailure']))
  else if (spec.podFailurePolicy && policy !== 'Never')
    errors.push(invalid(`${path}.template.spec.restartPolicy`, policy, 'only "Never" is supported when podFailurePolicy is specified'))
  return errors
}

function checkIndexed(spec: Spec, path: string, errors: Errors): void {
  const { completions, parallelism = 0, maxFailedIndexes } = spec
  if (completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'))
  if (parallelism > 100_000)
    errors.push(invalid(`${path}.parallelism`, parallelism, 'must be less than or equal to 100000 when completion mode is Indexed'))
  if (maxFailedIndexes !== undefined && maxFailedIndexes > 100_000)
    errors.push(invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to 100000'))
  if (spec.backoffLimitPerIndex !== undefined && (completions ?? 0) > 100_000) {
    if (maxFailedIndexes === undefined)
      errors.push(required(`${path}.maxFailedIndexes`, 'must be specified when completions is above 100000'))
    else if (maxFailedIndexes > 10_000)
      errors.push(
        invalid(
          `${path}.maxFailedIndexes`,
          maxFailedIndexes,
          'must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
        ),
      )
    if (parallelism > 10_000)
      errors.push(
        invalid(
          `${path}.parallelism`,
          parallelism,
          'must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
        ),
      )
  }
}

function checkFailurePolicy(spec: Spec, path: string, errors: Errors): void {
  const rules = spec.podFailurePolicy?.rules ?? []
  if (rules.length > 20) errors.push(tooMany(`${path}.rules`, rules.length, 20))
  const names = new Set(
    [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])].map(({ name }) => name),
  )
  each(rules, `${path}.rules`, ({ action, onExitCodes, onPodConditions }, at) => {
    checkOneOf(`${at}.action`, action, ['Count', 'FailIndex', 'FailJob', 'Ignore'], errors, { required: true })
    if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
      errors.push(invalid(`${at}.action`, action, 'requires the backoffLimitPerIndex to be set'))
    if (onExitCodes) checkExitCodes(onExitCodes, `${at}.onExitCodes`, { names, errors })
    if (onPodConditions && onPodConditions.length > 20) errors.push(tooMany(`${at}.onPodConditions`, onPodConditions.length, 20))
    each(onPodConditions, `${at}.onPodConditions`, ({ type, status }, where) => {
      if (!type) errors.push(required(`${where}.type`))
      checkOneOf(`${where}.status`, status, ['False', 'True', 'Unknown'], errors, { required: true })
    })
    if (onExitCodes && onPodConditions?.length)
      errors.push(invalid(at, '{}', 'specifying both OnExitCodes and OnPodConditions is not supported'))
    if (!onExitCodes && !onPodConditions?.length)
      errors.push(invalid(at, '{}', 'specifying one of OnExitCodes and OnPodConditions is required'))
  })
}

function checkExitCodes(
  rule: types.PodFailurePolicyOnExitCodesRequirement,
  path: string,
  { names, errors }: { names: Set<string>; errors: Errors },
): void {
  const { operator, values = [], containerName } = rule
  checkOneOf(`${path}.operator`, operator, ['In', 'NotIn'], errors, { required: true })
  if (containerName !== undefined && !names.has(containerName))
    errors.push(invalid(`${path}.containerName`, containerName, 'must be one of the container or initContainer names in the pod template'))
  if (values.length === 0) errors.push(invalid(`${path}.values`, values, 'at least one value is required'))
  else if (values.length > 255) errors.push(tooMany(`${path}.values`, values.length, 255))
  const seen = new Set<number>()
  let ordered = true
  each(values, `${path}.values`, (value, at, index) => {
    if (operator === 'In' && value === 0) errors.push(invalid(at, value, 'must not be 0 for the In operator'))
    if (seen.has(value)) errors.push(duplicate(at, value))
    else if (index > 0 && values[index - 1]! > value) ordered = false
    seen.add(value)
  })
  if (!ordered) errors.push(invalid(`${path}.values`, values, 'must be ordered'))
}

function checkSuccessPolicy({ successPolicy, completions }: Spec, path: string, errors: Errors): void {
  const rules = successPolicy?.rules ?? []
  if (rules.length === 0) errors.push(required(`${path}.rules`, 'at least one rules must be specified when the successPolicy is specified'))
  if (rules.length > 20) errors.push(tooMany(`${path}.rules`, rules.length, 20))
  each(rules, `${path}.rules`, ({ succeededCount, succeededIndexes }, at) => {
    if (succeededCount === undefined && succeededIndexes === undefined)
      errors.push(required(at, 'at least one of succeededCount or succeededIndexes must be specified'))
    let total = completions ?? 0
    if (succeededIndexes !== undefined) {
      const count = countIndexes(succeededIndexes, completions ?? 0)
      if (typeof count === 'string')
        errors.push(invalid(`${at}.succeededIndexes`, succeededIndexes, `error parsing succeededIndexes: ${count}`))
      else total = count
    }
    if (succeededCount === undefined) return
    checkNonNegative(`${at}.succeededCount`, succeededCount, errors)
    if (succeededCount > (completions ?? 0))
      errors.push(
        invalid(
          `${at}.succeededCount`,
          succeededCount,
          `must be less than or equal to ${completions ?? 0} (the number of specified completions)`,
        ),
      )
    else if (succeededIndexes !== undefined && succeededCount > total)
      errors.push(
        invalid(
          `${at}.succeededCount`,
          succeededCount,
          `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`,
        ),
      )
  })
}

/** How many indexes `1,3-5` names, or what is wrong with it. */
function countIndexes(text: string, completions: number): number | string {
  let [total, last] = [0, -1]
  for (const part of text === '' ? [] : text.split(',')) {
    const match = /^([0-9]+)(?:-([0-9]+))?$/.exec(part)
    if (!match) return `cannot convert string to integer for index: ${JSON.stringify(part)}`
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])]
    if (from > to || from <= last) return `non-increasing order, previous: ${last}, current: ${from}`
    if (to >= completions) return `too large index: ${JSON.stringify(part)}`
    total += to - from + 1
    last = to
  }
  return total
}

function checkSelector({ spec, metadata }: Job, errors: Errors): void {
  const labels = spec?.template?.metadata?.labels
  if (!spec?.manualSelector) {
    const uid = metadata?.uid ?? ''
    const expected: Record<string, string> = {
      [UID]: uid,
      'controller-uid': uid,
      [NAME]: metadata?.name ?? '',
      'job-name': metadata?.name ?? '',
    }
    for (const [key, value] of Object.entries(expected))
      if (labels?.[key] !== value) errors.push(invalid(`spec.template.metadata.labels[${key}]`, labels?.[key] ?? '', `must be '${value}'`))
    const selected = spec?.selector
    if (selected?.matchExpressions?.length || Object.keys(selected?.matchLabels ?? {}).length !== 1 || selected?.matchLabels?.[UID] !== uid)
      errors.push(invalid('spec.selector', selected, '`selector` not auto-generated'))
  } else if (!spec.selector) return void errors.push(required('spec.selector'))
  if (spec?.selector && !selectorMatches(spec.selector, labels))
    errors.push(invalid('spec.template.metadata.labels', labels ?? {}, '`selector` does not match template `labels`'))
}

function checkUpdate(next: Job, previous: Job, errors: Errors): void {
  const [spec, old] = [next.spec!, previous.spec!]
  const elastic =
    old.completionMode === 'Indexed' && spec.completionMode === 'Indexed' && spec.completions !== undefined && old.completions !== undefined
  if (!elastic) checkImmutable('spec.completions', spec.completions, old.completions, errors)
  else if (spec.completions !== old.completions && spec.completions !== spec.parallelism)
    errors.push(invalid('spec.completions', spec.completions, 'can only be modified in tandem with spec.parallelism'))
  for (const field of ['selector', 'completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const)
    checkImmutable(`spec.${field}`, spec[field], old[field], errors)
  const idle =
    old.suspend === true &&
    !previous.status?.active &&
    (!previous.status?.startTime || isConditionTrue(previous.status?.conditions, 'Suspended'))
  const template = idle ? fixedTemplate : (one: types.PodTemplateSpec | undefined) => one
  if (!sameJson(template(spec.template), template(old.template))) errors.push(invalid('spec.template', spec.template, IMMUTABLE))
}

/** Of a suspended job without pods, where its pods go and what they ask for may still be set. */
function fixedTemplate({ metadata, spec }: types.PodTemplateSpec = {}): unknown {
  const rest: Record<string, unknown> = { ...spec }
  for (const field of ['nodeSelector', 'tolerations', 'schedulingGates']) delete rest[field]
  const affinity = { ...spec?.affinity }
  delete affinity.nodeAffinity
  rest['affinity'] = affinity
  for (const list of ['containers', 'initContainers'] as const)
    rest[list] = spec?.[list]?.map((container) => ({ ...container, resources: {} }))
  const labels = { ...metadata, labels: {}, annotations: {} }
  return { metadata: labels, spec: rest }
}
