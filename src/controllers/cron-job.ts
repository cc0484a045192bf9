// cronjob-controller: a Job for every time a schedule names, as far as deadline and concurrency policy allow. Sleeps until the next time.
import type { ObjectReference } from '#api/generated/types.ts'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { keyOf } from '#api/object.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, ownersOf } from '#client/triggers.ts'
import { formatTime } from '#lib/clock.ts'
import { type CronSchedule, formatTimeIn, isTimeZone, parseCronSchedule } from '#lib/cron-schedule.ts'
import { LruMap } from '#lib/lru-map.ts'
import { equal } from '#api/equal.ts'
import { controllerReference } from './owners.ts'
import { isNamespaceTerminating, textOf } from './pod-control.ts'

/** A little after the hour: clocks that wake early would otherwise run a schedule twice. */
const WAKE_MS = 100
const TOO_MANY = 100
const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp'

/** Schedules that were read, with their zones: that takes longer than all else of a pass. */
const MOST_SCHEDULES = 500
type Schedules = LruMap<string, CronSchedule>

export function cronJobController(): Controller {
  const schedules: Schedules = new LruMap(MOST_SCHEDULES)
  return {
    name: 'cronjob-controller',
    workers: 5,
    triggers: [itself(CronJob), ownersOf(Job, CronJob)],
    async reconcile(key, context) {
      const cronJob = context.informers.of(CronJob).get(key)
      if (!cronJob?.metadata?.uid) return
      const jobs = context.informers.of(Job).ownedBy(cronJob.metadata.uid)
      const tidied = await tidy(cronJob, jobs, context)
      await cleanHistory(tidied, jobs, context)
      return runDue(tidied, jobs, { context, schedules })
    },
  }
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
      // Someone else's, or made by a pass that could not write it down any more: that one is met again when its time is served.
      events.event(cronJob, 'Warning', 'UnexpectedJob', `Saw a job that the controller did not create or forgot: ${name}`)
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
    if (limit === undefined || jobs.length <= limit) continue
    const started = (job: Job) => Date.parse(job.status?.startTime ?? job.metadata?.creationTimestamp ?? '') || 0
    const finished = jobs.filter((job) => outcomeOf(job) === outcome && !job.metadata?.deletionTimestamp)
    finished.sort((a, b) => started(a) - started(b) || (a.metadata!.name! < b.metadata!.name! ? -1 : 1))
    for (const job of finished.slice(0, Math.max(0, finished.length - limit))) await deleteJob(cronJob, job, context)
  }
}

async function runDue(
  cronJob: CronJob,
  jobs: readonly Job[],
  { context, schedules }: { context: ControllerContext; schedules: Schedules },
): Promise<{ requeueAfterMs: number } | void> {
  const { clock, events } = context
  if (cronJob.metadata?.deletionTimestamp) return
  const { timeZone, suspend } = cronJob.spec!
  const known = schedules.get(scheduleKey(cronJob))
  if (!known && timeZone !== undefined && !isTimeZone(timeZone)) {
    const text = `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`
    return events.event(cronJob, 'Warning', 'UnknownTimeZone', text)
  }
  if (suspend) return
  const schedule = known ?? parsed(cronJob, context)
  if (!schedule) return
  schedules.set(scheduleKey(cronJob), schedule)
  const now = clock.now()
  const due = dueNow(cronJob, schedule, context)
  if (due === 'never') return
  const later = nextLook(cronJob, schedule, now)
  if (due === undefined) return later
  const active = cronJob.status?.active ?? []
  const name = `${cronJob.metadata!.name}-${Math.floor(due / 60_000)}`
  if (active.some((reference) => reference.name === name) || Date.parse(cronJob.status?.lastScheduleTime ?? '') === due) return later
  if (cronJob.spec?.concurrencyPolicy === 'Forbid' && active.length > 0) {
    const text = 'Not starting job because prior execution is running and concurrency policy is Forbid'
    events.event(cronJob, 'Normal', 'JobAlreadyActive', text)
    return later
  }
  if (cronJob.spec?.concurrencyPolicy === 'Replace') {
    for (const job of jobs) if (active.some(({ uid }) => uid === job.metadata?.uid)) await deleteJob(cronJob, job, context)
  }
  await start(cronJob, { name, time: due, context })
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
      annotations: { ...metadata?.annotations, [SCHEDULED_AT]: formatTimeIn(time, cronJob.spec!.timeZone) },
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
  const lateMs = (Date.parse(job.metadata?.creationTimestamp ?? '') || time) - time
  context.metrics.observe('cronjob_controller_job_creation_skew_duration_seconds', [], Math.max(0, lateMs / 1000))
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

/** The latest time that is due and not yet served; `never` when the schedule names none. Too many missed ones are told of. */
function dueNow(cronJob: CronJob, schedule: CronSchedule, { clock, events }: ControllerContext): number | undefined | 'never' {
  const now = clock.now()
  const deadline = cronJob.spec?.startingDeadlineSeconds
  const earliest = deadline === undefined ? servedUntil(cronJob, now) : Math.max(servedUntil(cronJob, now), now - deadline * 1000)
  const latest = latestSince(schedule, earliest, now)
  if (latest === undefined) {
    const text = `invalid schedule schedule: ${cronJob.spec?.schedule} : time difference between two schedules is less than 1 second`
    events.event(cronJob, 'Warning', 'InvalidSchedule', text)
    return 'never'
  }
  if (latest.time !== undefined && latest.missed > TOO_MANY) {
    const text = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew'
    events.event(cronJob, 'Warning', 'TooManyMissedTimes', text)
  }
  return latest.time
}

/** Counted from the last time served, as `@every` goes on from there. */
function nextLook(cronJob: CronJob, schedule: CronSchedule, now: number): { requeueAfterMs: number } | undefined {
  const earliest = servedUntil(cronJob, now)
  const latest = latestSince(schedule, earliest, now)
  const from = latest?.time ?? (latest?.missed === 0 ? earliest : now)
  const next = schedule.next(from)
  return next === undefined ? undefined : { requeueAfterMs: Math.max(0, next - now) + WAKE_MS }
}

function servedUntil({ metadata, status }: CronJob, now: number): number {
  return Date.parse(status?.lastScheduleTime ?? metadata?.creationTimestamp ?? '') || now
}

/** Long gaps are jumped over by the distance between two times, as upstream does it. undefined: no such two. */
function latestSince(schedule: CronSchedule, earliest: number, now: number): { time?: number; missed: number } | undefined {
  const first = schedule.next(earliest)
  if (first === undefined) return undefined
  if (first > now) return { missed: 0 }
  const second = schedule.next(first)
  if (second === undefined) return undefined
  if (second > now) return { time: first, missed: 1 }
  const missed = Math.floor((now - first) / (second - first)) + 1
  let time: number | undefined
  for (let at = schedule.next(first + (missed - 2) * (second - first)); at !== undefined && at <= now; at = schedule.next(at)) time = at
  return { ...(time === undefined ? {} : { time }), missed }
}

const scheduleKey = ({ spec }: CronJob) => JSON.stringify([spec!.schedule, spec!.timeZone])

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
