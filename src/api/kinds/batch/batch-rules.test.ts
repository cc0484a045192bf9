// One row a rule of jobs and cron jobs, their statuses included, in upstream's words and order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Change,
  createdObject,
  createErrors,
  errorTexts,
  type RuleRow,
  spec,
  testContext,
  updateErrors,
} from '#api/kinds/minimal-objects.ts'
import { CronJob } from './cron-job.ts'
import { Job } from './job.ts'

const indexed = (fields: Record<string, unknown>) => spec({ completionMode: 'Indexed', completions: 3, parallelism: 1, ...fields })
const failing = (rule: Record<string, unknown>) => spec({ podFailurePolicy: { rules: [rule] } })
const RULE = 'spec.podFailurePolicy.rules[0]'
const SUCCESS = 'spec.successPolicy.rules[0]'
const uid = testContext.uuid()

const rows: RuleRow[] = [
  [
    Job,
    'labels of another',
    (j) => (j.spec.template.metadata = { labels: { 'job-name': 'other' } }),
    [
      `spec.template.metadata.labels[job-name]: Invalid value: {"batch.kubernetes.io/controller-uid":"${uid}","batch.kubernetes.io/job-name":"x","controller-uid":"${uid}","job-name":"other"}: must be 'x'`,
    ],
  ],
  [
    Job,
    'a manual selector that is missing',
    spec({ manualSelector: true }),
    ['spec.selector: Required value', 'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`'],
  ],
  [
    Job,
    'an unknown mode',
    spec({ completionMode: 'Odd' }),
    ['spec.completionMode: Unsupported value: "Odd": supported values: "NonIndexed", "Indexed"'],
  ],
  [
    Job,
    'what only indexes have',
    spec({ backoffLimitPerIndex: 1, maxFailedIndexes: 1, successPolicy: { rules: [{ succeededIndexes: '0' }] } }),
    [
      'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
      'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode',
      'spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":"0","SucceededCount":null}]}: requires indexed completion mode',
    ],
  ],
  [
    Job,
    'more failed indexes than there are',
    indexed({ maxFailedIndexes: 4 }),
    [
      'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
      'spec.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions',
    ],
  ],
  [
    Job,
    'very many indexes at once',
    indexed({ completions: 200_000, parallelism: 100_001, backoffLimitPerIndex: 1, maxFailedIndexes: 100_001 }),
    [
      'spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed',
      'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 100000',
      'spec.parallelism: Invalid value: 100001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
      'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
    ],
  ],
  [
    Job,
    'a manager without a path',
    spec({ managedBy: 'someone' }),
    ['spec.managedBy: Invalid value: "someone": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
  [
    Job,
    'a rule for nothing to do',
    failing({}),
    [
      `${RULE}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`,
      `${RULE}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`,
    ],
  ],
  [
    Job,
    'a rule about exits and conditions',
    failing({
      action: 'FailIndex',
      onExitCodes: { operator: 'In', containerName: 'd', values: [3, 0, 3] },
      onPodConditions: [{ type: 'a', status: 'Odd' }],
    }),
    [
      `${RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`,
      `${RULE}.onExitCodes.containerName: Invalid value: "d": must be one of the container or initContainer names in the pod template`,
      `${RULE}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator`,
      `${RULE}.onExitCodes.values[2]: Duplicate value: 3`,
      `${RULE}.onExitCodes.values: Invalid value: [3,0,3]: must be ordered`,
      `${RULE}.onPodConditions[0].status: Unsupported value: "Odd": supported values: "False", "True", "Unknown"`,
      `${RULE}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported`,
    ],
  ],
  [
    Job,
    'success of nothing',
    indexed({ successPolicy: { rules: [{}] } }),
    [`${SUCCESS}: Required value: at least one of succeededCount or succeededIndexes must be specified`],
  ],
  [
    Job,
    'success beyond the indexes',
    indexed({
      successPolicy: {
        rules: [{ succeededIndexes: '0-1', succeededCount: 4 }, { succeededIndexes: '2,1' }, { succeededIndexes: '1-2-3' }],
      },
    }),
    [
      `${SUCCESS}.succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)`,
      `${SUCCESS}.succeededCount: Invalid value: 4: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)`,
      'spec.successPolicy.rules[1].succeededIndexes: Invalid value: "2,1": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1',
      'spec.successPolicy.rules[2].succeededIndexes: Invalid value: "1-2-3": error parsing succeededIndexes: the fragment "1-2-3" violates the requirement that an index interval can have at most two parts separated by \'-\'',
    ],
  ],
  [
    Job,
    'replacement of pods too early',
    spec({ podFailurePolicy: { rules: [] }, podReplacementPolicy: 'TerminatingOrFailed' }),
    ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
  ],
  [
    CronJob,
    'a selector of its jobs',
    (c) => Object.assign(c.spec.jobTemplate.spec, { selector: { matchLabels: { a: 'b' } }, manualSelector: true }),
    [
      'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
      'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
    ],
  ],
  [
    CronJob,
    'no zone, no schedule and an unknown policy',
    spec({ schedule: '', timeZone: '', concurrencyPolicy: 'Odd', startingDeadlineSeconds: -1 }),
    [
      'spec.schedule: Required value',
      'spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0',
      'spec.timeZone: Too short: must be at least 1 character',
      'spec.concurrencyPolicy: Unsupported value: "Odd": supported values: "Allow", "Forbid", "Replace"',
    ],
  ],
  [
    CronJob,
    'a name that leaves no room for those of its jobs, told last',
    (c) => Object.assign(c, { metadata: { ...c.metadata, name: 'a'.repeat(53) }, spec: { ...c.spec, startingDeadlineSeconds: -1 } }),
    [
      'spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0',
      `metadata.name: Invalid value: "${'a'.repeat(53)}": must be no more than 52 characters`,
    ],
  ],
  [CronJob, 'an offset for a zone', spec({ timeZone: '+0100' }), ['spec.timeZone: Invalid value: "+0100": unknown time zone +0100']],
  [
    CronJob,
    'a schedule in a zone nobody knows',
    spec({ schedule: 'TZ=Mars 0 0 * * *' }),
    [
      'spec.schedule: Invalid value: "TZ=Mars 0 0 * * *": provided bad location Mars: unknown time zone Mars',
      'spec.schedule: Invalid value: "TZ=Mars 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
  ],
  [
    CronJob,
    'the zone of the machine',
    spec({ timeZone: 'Local' }),
    ['spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'],
  ],
]

for (const [kind, what, change, expected] of rows)
  test(`${kind.kind} refuses ${what}`, () => assert.deepEqual(createErrors(kind, change), expected))

const updates: [...RuleRow, before?: Change][] = [
  [Job, 'completions', spec({ completions: 2 }), ['spec.completions: Invalid value: 2: field is immutable']],
  [
    Job,
    'completions alone',
    spec({ completions: 5 }),
    ['spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism'],
    indexed({}),
  ],
  [Job, 'completions and parallelism', spec({ completions: 5, parallelism: 5 }), [], indexed({})],
  [
    Job,
    'requests of a suspended job',
    (j) => (j.spec.template.spec.containers[0].resources = { requests: { cpu: '1' } }),
    [],
    spec({ suspend: true }),
  ],
  [CronJob, 'a schedule that has a zone', spec({ schedule: 'TZ=UTC 1 0 * * *' }), [], spec({ schedule: 'TZ=UTC 0 0 * * *' })],
  [
    CronJob,
    'a schedule to two zones',
    spec({ timeZone: 'Etc/UTC' }),
    ['spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule'],
    spec({ schedule: 'TZ=UTC 0 0 * * *' }),
  ],
]

for (const [kind, what, change, expected, before] of updates)
  test(`${kind.kind} update of ${what} ${expected.length > 0 ? 'is refused' : 'is taken'}`, () =>
    assert.deepEqual(updateErrors(kind, change, before ? { before } : {}), expected))

test('Job shows its template as upstream does where that may not change', () => {
  const [error] = updateErrors(Job, (job) => (job.spec.template.spec.containers[0].image = 'other'))
  assert.match(
    error!,
    /^spec\.template: Invalid value: \{"labels":\{.*\},"Spec":\{"Volumes":null,.*"Image":"other".*\}\}: field is immutable$/,
  )
})

const is = (...types: string[]) => types.map((type) => ({ type, status: 'True' }))
const [START, END] = ['2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z']
const complete = { conditions: is('SuccessCriteriaMet', 'Complete'), startTime: START, completionTime: END }
const C = 'status.conditions: Invalid value: '

const statuses: [what: string, fields: object, expected: string[], before?: object, change?: Change][] = [
  ['an end in success', complete, []],
  ['an end in failure', { conditions: is('FailureTarget', 'Failed'), startTime: START, failed: 1 }, []],
  [
    'success that nothing announced',
    { ...complete, conditions: is('Complete') },
    [`${C}cannot set Complete=True condition without the SuccessCriteriaMet=true condition`],
  ],
  [
    'failure that nothing announced',
    { conditions: is('Failed'), startTime: START },
    [`${C}cannot set Failed=True condition without the FailureTarget=true condition`],
  ],
  [
    'both ends',
    { ...complete, conditions: is('Complete', 'Failed', 'FailureTarget', 'SuccessCriteriaMet') },
    [
      `${C}cannot set Complete=True and Failed=true conditions`,
      `${C}cannot set Complete=True and FailureTarget=true conditions`,
      `${C}cannot set SuccessCriteriaMet=True and Failed=true conditions`,
      `${C}cannot set SuccessCriteriaMet=True and FailureTarget=true conditions`,
    ],
  ],
  [
    'an end without times and with pods',
    { conditions: complete.conditions, active: 1, terminating: 1, uncountedTerminatedPods: { succeeded: ['a', 'a', ''] } },
    [
      'status.uncountedTerminatedPods.succeeded[1]: Duplicate value: "a"',
      'status.uncountedTerminatedPods.succeeded[2]: Invalid value: "": must not be empty',
      'status.completionTime: Required value: completionTime is required for Complete jobs',
      'status.active: Invalid value: 1: active>0 is invalid for finished job',
      'status.startTime: Required value: startTime is required for finished job',
      'status.uncountedTerminatedPods: Invalid value: {"Succeeded":["a","a",""],"Failed":null}: must be empty for finished job',
      'status.terminating: Invalid value: 1: terminating>0 is invalid for finished job',
    ],
  ],
  [
    'an end before the start, of a job that goes on',
    { startTime: END, completionTime: START },
    [
      'status.completionTime: Invalid value: "2026-01-01T00:00:00Z": cannot set completionTime when there is no Complete=True condition',
      'status.completionTime: Invalid value: "2026-01-01T00:00:00Z": must be equal to or after `startTime`',
    ],
  ],
  [
    'indexes of a job without any',
    { completedIndexes: '0', failedIndexes: '' },
    [
      'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode',
      'status.failedIndexes: Invalid value: "": cannot set non-null failedIndexes when backoffLimitPerIndex is null',
    ],
  ],
  [
    'indexes both done and failed',
    { completedIndexes: '0-1', failedIndexes: '1-3' },
    ['status.failedIndexes: Invalid value: "1-3": error parsing failedIndexes: too large index: "3"'],
    {},
    indexed({ backoffLimitPerIndex: 1 }),
  ],
  [
    'an index both done and failed',
    { completedIndexes: '0-1', failedIndexes: '1-2' },
    ['status.failedIndexes: Invalid value: "1-2": failedIndexes and completedIndexes overlap at index: 1'],
    {},
    indexed({ backoffLimitPerIndex: 1 }),
  ],
  ['more ready than active', { ready: 2, active: 1 }, ['status.ready: Invalid value: 2: cannot set more ready pods than active']],
  [
    'what goes back',
    { succeeded: 1, failed: 1, startTime: END },
    [
      'status.failed: Invalid value: 1: cannot decrease the failed counter',
      'status.succeeded: Invalid value: 1: cannot decrease the succeeded counter',
      'status.startTime: Invalid value: "2026-01-01T00:01:00Z": field is immutable for unsuspended job once set',
    ],
    { succeeded: 2, failed: 2, startTime: START },
  ],
  ['a new start of a job that is resumed', { startTime: END }, [], { startTime: START, conditions: is('Suspended') }],
  [
    'life after the end',
    { startTime: START },
    [`${C}cannot disable the terminal Complete=True condition`, `${C}cannot disable the SuccessCriteriaMet=True condition`],
    complete,
  ],
  [
    'success against its own policy',
    { ...complete, conditions: is('Complete') },
    [
      `${C}cannot set Complete=True condition without the SuccessCriteriaMet=true condition`,
      `${C}cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True`,
    ],
    {},
    indexed({ successPolicy: { rules: [{ succeededCount: 1 }] } }),
  ],
]

for (const [what, fields, expected, before = {}, change] of statuses)
  test(`Job status ${expected.length > 0 ? 'refuses' : 'takes'} ${what}`, () => {
    const previous = createdObject(Job, change)
    previous.status = { ...before }
    const next = { ...previous, status: { ...fields } }
    assert.deepEqual(errorTexts(Job.validate!(next, previous, { ...testContext, subresource: 'status' })), expected)
  })
