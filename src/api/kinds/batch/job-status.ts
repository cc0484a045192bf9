// Rules of a job's status, for whoever manages the job: what an end means, and what does not go back. A rule asks only about what an update
// changes, so that older statuses can still be put right.
import { isConditionTrue } from '#api/conditions.ts'
import { duplicate, type FieldError, invalid, invalidUnshown, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { checkNonNegative, each, type Errors, IMMUTABLE } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { commonIndex, readIndexes } from './job-indexes.ts'

type Status = types.JobStatus

const TERMINAL = ['Failed', 'Complete', 'FailureTarget'] as const
const AT = 'status.conditions'

interface Outcome {
  complete: boolean
  failed: boolean
  finished: boolean
  failing: boolean
  succeeding: boolean
}

function outcomeOf({ conditions }: Status): Outcome {
  const is = (type: string) => isConditionTrue(conditions, type)
  const [complete, failed] = [is('Complete'), is('Failed')]
  return { complete, failed, finished: complete || failed, failing: is('FailureTarget'), succeeding: is('SuccessCriteriaMet') }
}

export function validateJobStatus({ spec, status = {} }: types.Job, { status: old = {} }: types.Job): FieldError[] {
  const errors: Errors = []
  for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const)
    checkNonNegative(`status.${field}`, status[field], errors)
  checkUncounted(status.uncountedTerminatedPods, errors)
  const [now, before] = [outcomeOf(status), outcomeOf(old)]
  /** Whether one of these changes. */
  const changes = (...fields: (keyof Status | keyof Outcome)[]) =>
    fields.some((field) => (field in now ? now[field as keyof Outcome] !== before[field as keyof Outcome] : differs(status, old, field)))
  checkOutcome({ status, now, changes, errors })
  checkIndexes(spec, status, changes, errors)
  checkCounts({ status, now, changes, errors })
  if (now.succeeding && now.failed) errors.push(invalidUnshown(AT, 'cannot set SuccessCriteriaMet=True and Failed=true conditions'))
  if (now.succeeding && now.failing) errors.push(invalidUnshown(AT, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions'))
  if (spec?.successPolicy && !now.succeeding && now.complete)
    errors.push(invalidUnshown(AT, 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True'))
  checkProgress(spec, [status, old], [now, before], errors)
  return errors
}

const differs = (status: Status, old: Status, field: string) => !sameJson(status[field as keyof Status], old[field as keyof Status])

interface Checked {
  status: Status
  now: Outcome
  changes(...fields: (keyof Status | keyof Outcome)[]): boolean
  errors: Errors
}

function checkUncounted(pods: types.UncountedTerminatedPods | undefined, errors: Errors): void {
  const seen = new Set<string>()
  for (const list of ['succeeded', 'failed'] as const)
    each(pods?.[list], `status.uncountedTerminatedPods.${list}`, (uid, at) => {
      if (uid === '') errors.push(invalid(at, uid, 'must not be empty'))
      else if (seen.has(uid)) errors.push(duplicate(at, uid))
      seen.add(uid)
    })
}

function checkOutcome({ status, now, changes, errors }: Checked): void {
  const { completionTime, startTime } = status
  const conditions = (text: string) => errors.push(invalidUnshown(AT, text))
  if (changes('complete', 'failed') && now.complete && now.failed) conditions('cannot set Complete=True and Failed=true conditions')
  if (changes('complete', 'failing') && now.complete && now.failing)
    conditions('cannot set Complete=True and FailureTarget=true conditions')
  if (changes('complete', 'completionTime')) {
    if (completionTime && !now.complete)
      errors.push(invalid('status.completionTime', completionTime, 'cannot set completionTime when there is no Complete=True condition'))
    if (!completionTime && now.complete) errors.push(required('status.completionTime', 'completionTime is required for Complete jobs'))
  }
  if (changes('startTime', 'completionTime') && startTime && completionTime && Date.parse(completionTime) < Date.parse(startTime))
    errors.push(invalid('status.completionTime', completionTime, 'must be equal to or after `startTime`'))
  if (changes('failed') && now.failed && !now.failing)
    conditions('cannot set Failed=True condition without the FailureTarget=true condition')
  if (changes('complete') && now.complete && !now.succeeding)
    conditions('cannot set Complete=True condition without the SuccessCriteriaMet=true condition')
  const { active = 0, uncountedTerminatedPods: uncounted } = status
  if (changes('finished', 'active') && now.finished && active > 0)
    errors.push(invalid('status.active', active, 'active>0 is invalid for finished job'))
  if (changes('finished', 'startTime') && now.finished && !startTime)
    errors.push(required('status.startTime', 'startTime is required for finished job'))
  if (changes('finished', 'uncountedTerminatedPods') && now.finished && (uncounted?.succeeded?.length || uncounted?.failed?.length)) {
    // As upstream's structure prints.
    const shown = { Succeeded: uncounted.succeeded ?? null, Failed: uncounted.failed ?? null }
    errors.push(invalid('status.uncountedTerminatedPods', shown, 'must be empty for finished job'))
  }
}

function checkIndexes(spec: types.JobSpec | undefined, status: Status, changes: Checked['changes'], errors: Errors): void {
  const { completions, completionMode, backoffLimitPerIndex: limit } = spec ?? {}
  const { completedIndexes: done = '', failedIndexes: failed } = status
  const check = (field: 'completedIndexes' | 'failedIndexes', text: string) => {
    const read = readIndexes(text, completions!)
    if (typeof read === 'string') errors.push(invalid(`status.${field}`, text, `error parsing ${field}: ${read}`))
  }
  if (changes('completedIndexes') && completions !== undefined) check('completedIndexes', done)
  if (changes('failedIndexes') && completions !== undefined && limit !== undefined && failed !== undefined) check('failedIndexes', failed)
  if (changes('completedIndexes') && done && completionMode !== 'Indexed')
    errors.push(invalid('status.completedIndexes', done, 'cannot set non-empty completedIndexes when non-indexed completion mode'))
  if (changes('failedIndexes') && limit === undefined && failed !== undefined)
    errors.push(invalid('status.failedIndexes', failed, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null'))
  if (!changes('failedIndexes', 'completedIndexes') || completions === undefined || failed === undefined) return
  const [one, other] = [readIndexes(done, completions), readIndexes(failed, completions)]
  const common = typeof one === 'string' || typeof other === 'string' ? undefined : commonIndex(one, other)
  if (common !== undefined)
    errors.push(invalid('status.failedIndexes', failed, `failedIndexes and completedIndexes overlap at index: ${common}`))
}

function checkCounts({ status, now, changes, errors }: Checked): void {
  const { active = 0, ready, terminating } = status
  if (changes('finished', 'terminating') && now.finished && (terminating ?? 0) > 0)
    errors.push(invalid('status.terminating', terminating, 'terminating>0 is invalid for finished job'))
  if (changes('ready', 'active') && ready !== undefined && ready > active)
    errors.push(invalid('status.ready', ready, 'cannot set more ready pods than active'))
}

/** What once was stays: ends, counts and times. */
function checkProgress(
  spec: types.JobSpec | undefined,
  [status, old]: [Status, Status],
  [now, before]: [Outcome, Outcome],
  errors: Errors,
): void {
  for (const type of TERMINAL)
    if (isConditionTrue(old.conditions, type) && !isConditionTrue(status.conditions, type))
      errors.push(invalidUnshown(AT, `cannot disable the terminal ${type}=True condition`))
  if ((status.failed ?? 0) < (old.failed ?? 0))
    errors.push(invalid('status.failed', status.failed ?? 0, 'cannot decrease the failed counter'))
  // An elastic job may be scaled below what has succeeded.
  const elastic = spec?.completionMode === 'Indexed' && spec.completions === spec.parallelism
  if (!elastic && (status.succeeded ?? 0) < (old.succeeded ?? 0))
    errors.push(invalid('status.succeeded', status.succeeded ?? 0, 'cannot decrease the succeeded counter'))
  if (status.completionTime && old.completionTime && status.completionTime !== old.completionTime)
    errors.push(invalid('status.completionTime', status.completionTime, IMMUTABLE))
  const resuming = isConditionTrue(old.conditions, 'Suspended') && !isConditionTrue(status.conditions, 'Suspended')
  if (old.startTime && old.startTime !== status.startTime && !spec?.suspend && !resuming)
    errors.push(invalid('status.startTime', status.startTime, 'field is immutable for unsuspended job once set'))
  if (before.succeeding && !now.succeeding) errors.push(invalidUnshown(AT, 'cannot disable the SuccessCriteriaMet=True condition'))
  if (before.complete && !before.succeeding && now.succeeding)
    errors.push(invalidUnshown(AT, 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions'))
}
