import { defineKind } from '#api/define-kind.ts'
import { defaultPodTemplate } from '#api/defaults/pod-spec.ts'
import { type FieldError, invalid, notSupported, required, tooShort } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { humanAge } from '#api/human-duration.ts'
import { ageColumn, nameColumn, templateColumns } from '#api/kinds/columns.ts'
import { hostnameWarnings, isChanged } from '#api/kinds/core/pod-warnings.ts'
import { maxLength } from '#api/names.ts'
import { checkAmong, checkNonNegative, type Errors } from '#api/validation/checks.ts'
import { isTimeZone } from '#lib/cron-schedule.ts'
import { cronScheduleMessage } from '#api/validation/cron-schedule.ts'
import { selectorForm } from '#api/validation/internal-form.ts'
import { formatSelector } from '#api/validation/label-selector.ts'
import { jobWarnings } from './job.ts'
import { validateJobSpec } from './job-validation.ts'

export type CronJob = types.CronJob

/** Its jobs add eleven characters of their own, and their pods' labels hold 63. */
const NAME_LIMIT = 52

export const CronJob = defineKind<CronJob>({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  shortNames: ['cj'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  generationOf: ({ spec }) => spec,
  default(job) {
    job.status ??= {}
    const { spec } = job
    if (!spec) return
    spec.concurrencyPolicy ||= 'Allow'
    spec.suspend ??= false
    spec.successfulJobsHistoryLimit ??= 3
    spec.failedJobsHistoryLimit ??= 1
    const jobSpec = ((spec.jobTemplate ??= {}).spec ??= { template: {} })
    defaultPodTemplate((jobSpec.template ??= {}))
  },
  validate: validateCronJob,
  warnings(next, previous) {
    const warnings = previous ? [] : hostnameWarnings(next.metadata?.name, 'Pod names and hostnames')
    if (isChanged(next, previous)) warnings.push(...jobWarnings(next.spec?.jobTemplate?.spec, 'spec.jobTemplate.spec'))
    if (next.spec?.schedule?.includes('TZ'))
      warnings.push(
        // The path is upstream's own.
        'CRON_TZ or TZ used in spec.spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details',
      )
    return warnings
  },
  columns: [
    nameColumn,
    { name: 'Schedule', description: 'When jobs are started, in cron form.', value: ({ spec }) => spec?.schedule ?? '' },
    { name: 'Timezone', description: 'Time zone of the schedule.', value: ({ spec }) => spec?.timeZone ?? '<none>' },
    {
      name: 'Suspend',
      type: 'boolean',
      description: 'Whether no further jobs are started.',
      value: ({ spec }) => (spec?.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False'),
    },
    { name: 'Active', type: 'integer', description: 'Jobs that are running.', value: ({ status }) => status?.active?.length ?? 0 },
    {
      name: 'Last Schedule',
      description: 'Time since a job was last started.',
      value: ({ status }, { now }) => (status?.lastScheduleTime ? humanAge(status.lastScheduleTime, now) : '<none>'),
    },
    ageColumn,
    ...templateColumns<CronJob>(({ spec }) => spec?.jobTemplate?.spec?.template),
    {
      name: 'Selector',
      description: 'Which pods belong to its jobs.',
      priority: 1,
      value: ({ spec }) => formatSelector(spec?.jobTemplate?.spec?.selector),
    },
  ],
})

function validateCronJob(
  { metadata, spec }: CronJob,
  previous: CronJob | undefined,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') return errors
  const { schedule = '', timeZone, startingDeadlineSeconds, concurrencyPolicy } = spec ?? {}
  if (!schedule) errors.push(required('spec.schedule'))
  else checkSchedule(schedule, timeZone, previous?.spec?.schedule.includes('TZ') === true, errors)
  checkNonNegative('spec.startingDeadlineSeconds', startingDeadlineSeconds, errors)
  if (timeZone !== undefined && timeZone !== previous?.spec?.timeZone) checkTimeZone(timeZone, errors)
  checkAmong('spec.concurrencyPolicy', concurrencyPolicy, ['Allow', 'Forbid', 'Replace'], errors)
  const template = spec?.jobTemplate?.spec ?? ({} as types.JobSpec)
  const at = 'spec.jobTemplate.spec'
  errors.push(...validateJobSpec(template, at, previous?.spec?.jobTemplate?.spec))
  if (template.selector) errors.push(invalid(`${at}.selector`, selectorForm(template.selector), '`selector` will be auto-generated'))
  if (template.manualSelector) errors.push(notSupported(`${at}.manualSelector`, true, ['nil', 'false']))
  for (const field of ['successfulJobsHistoryLimit', 'failedJobsHistoryLimit'] as const)
    checkNonNegative(`spec.${field}`, spec?.[field], errors)
  const name = metadata?.name ?? ''
  if (!previous && name.length > NAME_LIMIT) errors.push(invalid('metadata.name', name, maxLength(NAME_LIMIT)))
  return errors
}

/** A zone in the schedule goes on where there already was one. */
function checkSchedule(schedule: string, timeZone: string | undefined, zonedBefore: boolean, errors: Errors): void {
  const zoned = schedule.includes('TZ')
  const zone = /^(?:CRON_)?TZ=([^ ]*) /.exec(schedule)
  const message =
    zone && !isTimeZone(zone[1]!)
      ? `provided bad location ${zone[1]}: unknown time zone ${zone[1]}`
      : cronScheduleMessage(schedule.slice(zone?.[0].length ?? 0))
  if (message) errors.push(invalid('spec.schedule', schedule, message))
  if (zoned && zonedBefore && timeZone !== undefined)
    errors.push(invalid('spec.schedule', schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'))
  else if (zoned && !zonedBefore)
    errors.push(invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'))
}

function checkTimeZone(timeZone: string, errors: Errors): void {
  if (timeZone === '') return void errors.push(tooShort('spec.timeZone', 1))
  const unknown = invalid('spec.timeZone', timeZone, `unknown time zone ${timeZone}`)
  if (timeZone.split('/').some((part) => part === '.' || part === '..' || !/^(?!-)[A-Za-z.\-_0-9+]{1,14}$/.test(part)))
    return void errors.push(unknown)
  const local = timeZone.toLowerCase() === 'local'
  if (local)
    errors.push(invalid('spec.timeZone', timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'))
  // The one name that is known without being a zone.
  if (timeZone !== 'Local' && !isTimeZone(timeZone)) errors.push(unknown)
}

/** A name of the time zone database; an offset is none. */
