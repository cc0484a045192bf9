import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { PodTemplate } from '#api/kinds/core/pod-template.ts'
import { ReplicationController } from '#api/kinds/core/replication-controller.ts'
import { type Change, createdObject, createErrors, spec, testContext, updateErrors } from '#api/kinds/minimal-objects.ts'
import { tableOf } from '#api/table.ts'
import { ControllerRevision } from './controller-revision.ts'
import { DaemonSet } from './daemon-set.ts'
import { Deployment } from './deployment.ts'
import { ReplicaSet } from './replica-set.ts'
import { StatefulSet } from './stateful-set.ts'

const rolling = (rollingUpdate: Record<string, unknown>): Change => spec({ strategy: { type: 'RollingUpdate', rollingUpdate } })
const uid = testContext.uuid()

const refused: [Kind<any>, string, Change, string[]][] = [
  [Deployment, 'no selector', (d) => delete d.spec.selector, ['spec.selector: Required value']],
  [Deployment, 'an empty selector', spec({ selector: {} }), ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
  [
    Deployment,
    'a selector that misses the template',
    spec({ selector: { matchLabels: { app: 'b' } } }),
    ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
  ],
  [Deployment, 'negative replicas', spec({ replicas: -1 }), ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
  [
    Deployment,
    'an update that may move nothing',
    rolling({ maxSurge: 0, maxUnavailable: 0 }),
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
  ],
  [
    Deployment,
    'more than all unavailable',
    rolling({ maxUnavailable: '101%' }),
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
  ],
  [
    Deployment,
    'Recreate with rolling parameters',
    spec({ strategy: { type: 'Recreate', rollingUpdate: {} } }),
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
  [
    Deployment,
    'a deadline shorter than readiness takes',
    spec({ minReadySeconds: 30, progressDeadlineSeconds: 30 }),
    ['spec.progressDeadlineSeconds: Invalid value: 30: must be greater than minReadySeconds'],
  ],
  [
    Deployment,
    'pods that end',
    (d) => (d.spec.template.spec.restartPolicy = 'Never'),
    ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
  ],
  [
    Deployment,
    'containers without image',
    (d) => delete d.spec.template.spec.containers[0].image,
    ['spec.template.spec.containers[0].image: Required value'],
  ],
  [ReplicaSet, 'an empty selector', spec({ selector: {} }), ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
  [
    DaemonSet,
    'neither surge nor unavailable',
    spec({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
    ['spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0'],
  ],
  [
    DaemonSet,
    'both surge and unavailable',
    spec({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } }),
    ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero'],
  ],
  [
    StatefulSet,
    'an unknown pod management policy',
    spec({ podManagementPolicy: 'Random' }),
    [`spec.podManagementPolicy: Invalid value: "Random": must be 'OrderedReady' or 'Parallel'`],
  ],
  [
    StatefulSet,
    'ordinals below zero',
    spec({ ordinals: { start: -1 } }),
    ['spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0'],
  ],
  [ReplicationController, 'no template', (c) => delete c.spec.template, ['spec.selector: Required value', 'spec.template: Required value']],
  [ControllerRevision, 'no data', (r) => delete r.data, ['data: Required value: data is mandatory']],
  [PodTemplate, 'no containers', (t) => (t.template.spec.containers = []), ['template.spec.containers: Required value']],
  [
    Job,
    'pods that restart for ever',
    (j) => (j.spec.template.spec.restartPolicy = 'Always'),
    ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  ],
  [
    Job,
    'a selector of its own',
    spec({ selector: { matchLabels: { a: 'b' } } }),
    [
      `spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"${uid}"}}: \`selector\` not auto-generated`,
      `spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"${uid}","batch.kubernetes.io/job-name":"x","controller-uid":"${uid}","job-name":"x"}: \`selector\` does not match template \`labels\``,
    ],
  ],
  [
    Job,
    'indexes without a number',
    spec({ completionMode: 'Indexed', parallelism: 2 }),
    ['spec.completions: Required value: when completion mode is Indexed'],
  ],
  [
    Job,
    'exit codes out of order',
    spec({ podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [3, 1] } }] } }),
    ['spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,1]: must be ordered'],
  ],
  [
    CronJob,
    'a schedule of four fields',
    spec({ schedule: '* * * *' }),
    ['spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]'],
  ],
  [
    CronJob,
    'minute 60',
    spec({ schedule: '60 * * * *' }),
    ['spec.schedule: Invalid value: "60 * * * *": end of range (60) above maximum (59): 60'],
  ],
  [
    CronJob,
    'a time zone nobody knows',
    spec({ timeZone: 'Mars/Olympus' }),
    ['spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'],
  ],
  [
    CronJob,
    'a time zone in the schedule',
    spec({ schedule: 'TZ=UTC 0 0 * * *' }),
    ['spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'],
  ],
]

for (const [kind, what, change, expected] of refused)
  test(`${kind.kind} refuses ${what}`, () => assert.deepEqual(createErrors(kind, change), expected))

const frozen: [Kind<any>, string, Change, string[]][] = [
  ...[Deployment, ReplicaSet, DaemonSet].map((kind): [Kind<any>, string, Change, string[]] => [
    kind,
    'the selector',
    (object) => {
      object.spec.selector = { matchLabels: { app: 'b' } }
      object.spec.template.metadata.labels = { app: 'b' }
    },
    ['spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable'],
  ]),
  [Deployment, 'the template', (d) => (d.spec.template.spec.containers[0].image = 'nginx:2'), []],
  [StatefulSet, 'replicas', spec({ replicas: 3 }), []],
  [
    StatefulSet,
    'the service name',
    spec({ serviceName: 'other' }),
    [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  ],
  [ControllerRevision, 'data', (r) => (r.data = { other: 1 }), ['data: Invalid value: {"other":1}: field is immutable']],
  [Job, 'parallelism', spec({ parallelism: 4 }), []],
  [Job, 'completions', spec({ completions: 4 }), ['spec.completions: Invalid value: 4: field is immutable']],
]

for (const [kind, what, change, expected] of frozen)
  test(`${kind.kind} update of ${what} ${expected.length > 0 ? 'is refused' : 'is accepted'}`, () =>
    assert.deepEqual(updateErrors(kind, change), expected))

test('Job template may change while suspended and never started', () => {
  const change: Change = (job) => (job.spec.template.spec.nodeSelector = { disk: 'ssd' })
  assert.deepEqual(updateErrors(Job, change, { before: spec({ suspend: true }) }), [])
  assert.equal(updateErrors(Job, change).length, 1)
})

test('Deployment default fills what upstream fills', () => {
  const { template: _, ...rest } = createdObject(Deployment).spec!
  assert.deepEqual(rest, {
    selector: { matchLabels: { app: 'a' } },
    replicas: 1,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
  })
})

test('DaemonSet counts the generations of its template', () => {
  const set = createdObject(DaemonSet)
  const generation = () => set.metadata!.annotations!['deprecated.daemonset.template.generation']
  assert.equal(generation(), '1')
  const before = structuredClone(set)
  set.spec!.template.spec!.containers[0]!.image = 'nginx:2'
  DaemonSet.prepareForUpdate!(set, before, testContext)
  assert.equal(generation(), '2')
})

test('Job default and prepareForCreate make its own selector', () => {
  const job = createdObject(Job)
  assert.deepEqual(job.spec!.selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } })
  assert.deepEqual(job.spec!.template.metadata!.labels, {
    'job-name': 'x',
    'batch.kubernetes.io/job-name': 'x',
    'controller-uid': uid,
    'batch.kubernetes.io/controller-uid': uid,
  })
  const { selector: _, template: __, ...rest } = job.spec!
  assert.deepEqual(rest, {
    completions: 1,
    parallelism: 1,
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
    manualSelector: false,
  })
})

const rows: [Kind<any>, Change, unknown[]][] = [
  [
    Deployment,
    (d) => (d.status = { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 }),
    ['x', '1/1', 2, 1, '<unknown>', 'c', 'nginx', 'app=a'],
  ],
  [ReplicaSet, (r) => (r.status = { replicas: 3, readyReplicas: 2 }), ['x', 1, 3, 2, '<unknown>', 'c', 'nginx', 'app=a']],
  [ReplicationController, (r) => (r.status = { replicas: 3, readyReplicas: 2 }), ['x', 1, 3, 2, '<unknown>', 'c', 'nginx', 'app=a']],
  [
    DaemonSet,
    (d) => (d.status = { desiredNumberScheduled: 3, currentNumberScheduled: 2, numberReady: 1, numberMisscheduled: 0 }),
    ['x', 3, 2, 1, 0, 0, '<none>', '<unknown>', 'c', 'nginx', 'app=a'],
  ],
  [StatefulSet, (s) => (s.status = { replicas: 1, readyReplicas: 1 }), ['x', '1/1', '<unknown>', 'c', 'nginx']],
  [
    Job,
    (j) =>
      (j.status = {
        succeeded: 1,
        startTime: '2026-01-01T00:00:00Z',
        completionTime: '2026-01-01T00:00:42Z',
        conditions: [{ type: 'Complete', status: 'True' }],
      }),
    ['x', 'Complete', '1/1', '42s', '<unknown>', 'c', 'nginx', `batch.kubernetes.io/controller-uid=${uid}`],
  ],
  [
    CronJob,
    (c) => (c.status = { active: [{}], lastScheduleTime: '2026-01-01T00:05:00Z' }),
    ['x', '*/5 * * * *', '<none>', 'False', 1, '5m', '<unknown>', 'c', 'nginx', '<none>'],
  ],
  [
    ControllerRevision,
    (r) => (r.metadata.ownerReferences = [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'u', controller: true }]),
    ['x', 'daemonset.apps/d', 1, '<unknown>'],
  ],
]

for (const [kind, change, expected] of rows)
  test(`${kind.kind} columns show its state`, () => {
    const object = createdObject(kind)
    change(object)
    assert.deepEqual(tableOf(kind, [object], { now: testContext.now }).rows[0]!.cells, expected)
  })
