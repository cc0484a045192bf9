// cronjob-controller: a Job for every time a schedule names, as far as deadline and concurrency policy allow. Sleeps until the next time.
import type { ObjectReference } from '#api/generated/types.ts'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { keyOf } from '#api/object.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, ownersOf } from '#client/triggers.ts'
import { formatTime } from '#lib/clock.ts'
import { type CronSchedule, parseCronSchedule } from '#lib/cron-schedule.ts'
import { equal } from '#api/equal.ts'
import { controllerReference } from './owners.ts'
import { isNamespaceTerminating, textOf } from './pod-control.ts'

/** A little after the hour: clocks that wake early would otherwise run a schedule twice. */
const WAKE_MS = 100
const TOO_MANY = 100
const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp'

export const cronJobController: Controller = {
  name: 'cronjob-controller',
  workers: 5,
  triggers: [itself(CronJob), ownersOf(Job, CronJob)],
  async reconcile(key, context) {
    const cronJob = context.informers.of(CronJob).get(key)
    if (!cronJob?.metadata?.uid) return
    const jobs = context.informers.of(Job).ownedBy(cronJob.metadata.uid)
    const tidied = await tidy(cronJob, jobs, context)
    await cleanHistory(tidied, jobs, context)
    return runDue(tidied, jobs, context)
  },
}

/** Brings the list of active jobs up to date with what became of them. */
async function tidy(cronJob: CronJob, jobs: readonly Job[], { client, events }: ControllerContext): Promise<CronJob> {
  const { status = {} } = cronJob
  let active = status.active ?? []
  let { lastSuccessfulTime } = status
  for (const job of jobs) {
    const { name, uid } = job.metadata!
    const listed = active.some((reference) => reference.uid === uid)
    const outcome = outcomeOf(job)
    if (!listed && !outcome) {
      // Made by a pass that could not write it down any more: adopted, not run again.
      if (!job.metadata?.deletionTimestamp) active = [...active, referenceTo(job)]
    } else if (listed && outcome) {
      active = active.filter((reference) => reference.uid !== uid)
      events.event(cronJob, 'Normal', 'SawCompletedJob', `Saw completed job: ${name}, condition: ${outcome}`)
    }
    const finished = outcome === 'Complete' ? job.status?.completionTime : undefined
    if (finished && (!lastSuccessfulTime || Date.parse(finished) > Date.parse(lastSuccessfulTime))) lastSuccessfulTime = finished
  }
  for (const reference of active) {
    if (jobs.some(({ metadata }) => metadata?.uid === reference.uid)) continue
    const live = await client.get(Job, { namespace: cronJob.metadata!.namespace!, name: reference.name ?? '' }).catch(ignoreNotFound)
    if (live?.metadata?.uid === reference.uid) continue
    events.event(cronJob, 'Normal', 'MissingJob', `Active job went missing: ${reference.name}`)
    active = active.filter((one) => one !== reference)
  }
  if (equal(active, status.active ?? []) && lastSuccessfulTime === status.lastSuccessfulTime) return cronJob
  const { active: _, ...rest } = status
  const next = { ...rest, ...(active.length > 0 ? { active } : {}), ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}) }
  return client.update(CronJob, { ...cronJob, status: next }, { subresource: 'status' })
}

async function cleanHistory(cronJob: CronJob, jobs: readonly Job[], context: ControllerContext): Promise<void> {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cronJob.spec!
  for (const [outcome, limit] of [
    ['Complete', successfulJobsHistoryLimit],
    ['Failed', failedJobsHistoryLimit],
  ] as const) {
    if (limit === undefined) continue
    const started = (job: Job) => Date.parse(job.status?.startTime ?? job.metadata?.creationTimestamp ?? '') || 0
    const finished = jobs.filter((job) => outcomeOf(job) === outcome && !job.metadata?.deletionTimestamp)
    finished.sort((a, b) => started(a) - started(b) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1))
    for (const job of finished.slice(0, Math.max(0, finished.length - limit))) await deleteJob(cronJob, job, context)
  }
}

async function runDue(cronJob: CronJob, jobs: readonly Job[], context: ControllerContext): Promise<{ requeueAfterMs: number } | void> {
  const { clock, events } = context
  if (cronJob.metadata?.deletionTimestamp || cronJob.spec?.suspend) return
  const schedule = parsed(cronJob, context)
  if (!schedule) return
  const now = clock.now()
  const due = lastDue(cronJob, schedule, now)
  if (due.missed > TOO_MANY) {
    const text = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew'
    events.event(cronJob, 'Warning', 'TooManyMissedTimes', text)
  }
  const next = schedule.next(now)
  const later = next === undefined ? undefined : { requeueAfterMs: next - now + WAKE_MS }
  if (due.time === undefined) return later
  const deadline = cronJob.spec?.startingDeadlineSeconds
  if (deadline !== undefined && due.time + deadline * 1000 < now) {
    events.event(cronJob, 'Warning', 'MissSchedule', `Missed scheduled time to start a job: ${formatTime(due.time)}`)
    return later
  }
  const active = cronJob.status?.active ?? []
  const name = `${cronJob.metadata!.name}-${Math.floor(due.time / 60_000)}`
  if (active.some((reference) => reference.name === name)) return later
  if (cronJob.spec?.concurrencyPolicy === 'Forbid' && active.length > 0) {
    const text = 'Not starting job because prior execution is running and concurrency policy is Forbid'
    events.event(cronJob, 'Normal', 'JobAlreadyActive', text)
    return later
  }
  if (cronJob.spec?.concurrencyPolicy === 'Replace') {
    for (const job of jobs) if (active.some(({ uid }) => uid === job.metadata?.uid)) await deleteJob(cronJob, job, context)
  }
  await start(cronJob, { name, time: due.time, context })
  return later
}

async function start(cronJob: CronJob, { name, time, context }: { name: string; time: number; context: ControllerContext }): Promise<void> {
  const { client, events } = context
  const { metadata, spec } = cronJob.spec!.jobTemplate
  const wanted: Job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: cronJob.metadata!.namespace!,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      annotations: { ...metadata?.annotations, [SCHEDULED_AT]: formatTime(time) },
      ownerReferences: [controllerReference(CronJob, cronJob)],
    },
    ...(spec ? { spec } : {}),
  }
  let job: Job
  try {
    job = await client.create(Job, wanted)
  } catch (error) {
    if (isNamespaceTerminating(error)) return
    if (!hasReason(error, 'AlreadyExists')) {
      events.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${textOf(error)}`)
      throw error
    }
    // Started by an earlier pass that could not write it down: nothing more to start for that time.
    job = await client.get(Job, keyOf(wanted))
    if (job.metadata?.ownerReferences?.find(({ controller }) => controller)?.uid !== cronJob.metadata?.uid) return
    if (cronJob.status?.lastScheduleTime === formatTime(time)) return
    await writeStarted(cronJob, outcomeOf(job) ? undefined : job, { time, client })
    return
  }
  events.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${name}`)
  await writeStarted(cronJob, job, { time, client })
}

async function writeStarted(
  cronJob: CronJob,
  job: Job | undefined,
  { time, client }: { time: number; client: ControllerContext['client'] },
): Promise<void> {
  const before = (cronJob.status?.active ?? []).filter(({ uid }) => uid !== job?.metadata?.uid)
  const keep = cronJob.spec?.concurrencyPolicy === 'Replace' ? [] : before
  const active = job ? [...keep, referenceTo(job)] : keep
  const status = { ...cronJob.status, active, lastScheduleTime: formatTime(time) }
  await client.update(CronJob, { ...cronJob, status }, { subresource: 'status' })
}

async function deleteJob(cronJob: CronJob, job: Job, { client, events }: ControllerContext): Promise<void> {
  try {
    await client.delete(Job, keyOf(job), { propagationPolicy: 'Background' })
  } catch (error) {
    if (hasReason(error, 'NotFound')) return
    events.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${textOf(error)}`)
    throw error
  }
  events.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata?.name}`)
}

/** The latest time that is due and not yet served, and how many there were since the last. */
function lastDue(cronJob: CronJob, schedule: CronSchedule, now: number): { time?: number; missed: number } {
  const { metadata, spec, status } = cronJob
  let earliest = Date.parse(status?.lastScheduleTime ?? metadata?.creationTimestamp ?? '') || now
  if (spec?.startingDeadlineSeconds !== undefined) earliest = Math.max(earliest, now - spec.startingDeadlineSeconds * 1000)
  const first = schedule.next(earliest)
  if (first === undefined || first > now) return { missed: 0 }
  const second = schedule.next(first)
  if (second === undefined || second > now) return { time: first, missed: 1 }
  // Long gaps are jumped over: from shortly before now on, each time is looked at.
  const period = second - first
  const missed = Math.floor((now - first) / period) + 1
  let time = first
  let from = Math.max(first, now - 2 * Math.max(period, 86_400_000))
  if (missed <= 1000) from = first
  for (let at = from === first ? first : schedule.next(from); at !== undefined && at <= now; at = schedule.next(at)) time = at
  return { time, missed }
}

function parsed(cronJob: CronJob, { events }: ControllerContext): CronSchedule | undefined {
  const { schedule, timeZone } = cronJob.spec!
  try {
    return parseCronSchedule(schedule, timeZone)
  } catch (error) {
    events.event(cronJob, 'Warning', 'UnparseableSchedule', `unparseable schedule: ${JSON.stringify(schedule)} : ${textOf(error)}`)
    return undefined
  }
}

function outcomeOf({ status }: Job): 'Complete' | 'Failed' | undefined {
  for (const type of ['Complete', 'Failed'] as const) {
    if (status?.conditions?.some((condition) => condition.type === type && condition.status === 'True')) return type
  }
  return undefined
}

function referenceTo({ metadata }: Job): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata!
  return {
    kind: 'Job',
    apiVersion: 'batch/v1',
    namespace: namespace!,
    name: name!,
    uid: uid!,
    ...(resourceVersion ? { resourceVersion } : {}),
  }
}
