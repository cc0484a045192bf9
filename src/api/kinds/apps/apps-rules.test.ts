// One row a rule of the workloads, in upstream's words and order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Change, createErrors, type RuleRow, spec, updateErrors } from '#api/kinds/minimal-objects.ts'
import { ControllerRevision } from './controller-revision.ts'
import { DaemonSet } from './daemon-set.ts'
import { Deployment } from './deployment.ts'
import { ReplicaSet } from './replica-set.ts'
import { StatefulSet } from './stateful-set.ts'

const pods =
  (fields: Record<string, unknown>): Change =>
  (object) =>
    void Object.assign(object.spec.template.spec, fields)
const malformed = { matchExpressions: [{ key: 'app', operator: 'In' }] }
const MISSING = "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
const SHOWN = '{"matchExpressions":[{"key":"app","operator":"In"}]}'
const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const PERCENT = `a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`

const rows: RuleRow[] = [
  [
    Deployment,
    'an unknown strategy',
    spec({ strategy: { type: 'Odd', rollingUpdate: { maxSurge: 1 } } }),
    [
      'spec.strategy: Unsupported value: {"Type":"Odd","RollingUpdate":{"MaxUnavailable":0,"MaxSurge":1}}: supported values: "Recreate", "RollingUpdate"',
    ],
  ],
  [
    Deployment,
    'numbers below zero, in this order',
    spec({ replicas: -1, minReadySeconds: -2, revisionHistoryLimit: -3, progressDeadlineSeconds: -4 }),
    [
      'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
      'spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0',
      'spec.revisionHistoryLimit: Invalid value: -3: must be greater than or equal to 0',
      'spec.progressDeadlineSeconds: Invalid value: -4: must be greater than or equal to 0',
      'spec.progressDeadlineSeconds: Invalid value: -4: must be greater than minReadySeconds',
    ],
  ],
  [
    Deployment,
    'shares that are none',
    spec({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '5', maxUnavailable: '200%' } } }),
    [
      `spec.strategy.rollingUpdate.maxSurge: Invalid value: "5": ${PERCENT}`,
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "200%": must not be greater than 100%',
    ],
  ],
  [
    Deployment,
    'a malformed selector, and asks no more',
    spec({ selector: malformed }),
    [MISSING, `spec.selector: Invalid value: ${SHOWN}: invalid label selector`],
  ],
  [
    ReplicaSet,
    'pods with a deadline',
    pods({ activeDeadlineSeconds: 5 }),
    ['spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported'],
  ],
  [DaemonSet, 'a malformed selector', spec({ selector: malformed }), [MISSING]],
  [
    DaemonSet,
    'an unknown strategy',
    spec({ updateStrategy: { type: 'Odd' } }),
    ['spec.updateStrategy: Unsupported value: {"Type":"Odd","RollingUpdate":null}: supported values: "RollingUpdate", "OnDelete"'],
  ],
  [
    StatefulSet,
    'an unknown strategy',
    spec({ updateStrategy: { type: 'Odd' } }),
    ['spec.updateStrategy: Invalid value: {"Type":"Odd","RollingUpdate":null}: must be \'RollingUpdate\' or \'OnDelete\''],
  ],
  [
    StatefulSet,
    'steps of what is not rolled',
    spec({ updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } }),
    [
      'spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy \'RollingUpdate\'',
    ],
  ],
  [
    StatefulSet,
    'claims that are kept how',
    spec({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Keep', whenScaled: 'Delete' } }),
    ['spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": supported values: "Retain", "Delete"'],
  ],
  [
    StatefulSet,
    'claims of nothing, and a service of no name',
    spec({ serviceName: 'a.b', volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: {} }] }),
    [
      'spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required',
      'spec.volumeClaimTemplates[0].spec.resources[storage]: Required value',
      'spec.serviceName: Invalid value: "a.b": must not contain dots',
    ],
  ],
  [
    StatefulSet,
    'mounts of its claims, and host names that it overwrites',
    pods({
      hostname: 'A b',
      subdomain: 'c_d',
      volumes: [{ name: 'data' }],
      containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
    }),
    [],
  ],
  [StatefulSet, 'a malformed selector', spec({ selector: malformed }), [MISSING, `spec.selector: Invalid value: ${SHOWN}`]],
  [
    ControllerRevision,
    'data that is no object',
    (r) => Object.assign(r, { data: [], revision: -1 }),
    ['revision: Invalid value: -1: must be greater than or equal to 0', 'data: Required value: data must be a valid JSON object'],
  ],
]

for (const [kind, what, change, expected] of rows)
  test(`${kind.kind} ${expected.length > 0 ? 'refuses' : 'takes'} ${what}`, () => assert.deepEqual(createErrors(kind, change), expected))

const status =
  (fields: Record<string, unknown>): Change =>
  (object) =>
    void Object.assign(object.status, fields)
const updates: [...RuleRow, options?: { before?: Change; subresource?: string }][] = [
  [
    StatefulSet,
    'the service and the claims',
    spec({ serviceName: 'A', volumeClaimTemplates: [] }),
    [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  ],
  [
    StatefulSet,
    'what can change',
    spec({ replicas: 5, ordinals: { start: 2 }, updateStrategy: { type: 'OnDelete' }, revisionHistoryLimit: 1, minReadySeconds: 4 }),
    [],
  ],
  [
    DaemonSet,
    'the selector, told first',
    spec({ selector: { matchLabels: { app: 'b' } } }),
    [
      'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable',
      'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
    ],
  ],
  [
    StatefulSet,
    'a template that was at fault before, of which only labels are asked',
    pods({ containers: [{ name: 'OTHER', image: '' }] }),
    [],
    { before: pods({ containers: [{ name: 'BAD', image: '' }] }) },
  ],
  [
    StatefulSet,
    'the labels of such a template',
    (set) => (set.spec.template.metadata.labels['-'] = ''),
    [`spec.template.labels: Invalid value: "-": ${QUALIFIED}`],
    { before: pods({ containers: [{ name: 'BAD', image: '' }] }) },
  ],
  [
    Deployment,
    'a selector as upstream writes it, in its order',
    spec({ selector: { matchExpressions: [{ values: ['z'], operator: 'NotIn', key: 'k' }], matchLabels: { b: 'b', app: 'a' } } }),
    [
      'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
      'spec.selector: Invalid value: {"matchLabels":{"app":"a","b":"b"},"matchExpressions":[{"key":"k","operator":"NotIn","values":["z"]}]}: field is immutable',
    ],
  ],
  [ControllerRevision, 'the data', (r) => (r.data = { a: 1 }), ['data: Invalid value: {"a":1}: field is immutable']],
  [
    Deployment,
    'the counts',
    status({ replicas: 1, updatedReplicas: 2, readyReplicas: 0, availableReplicas: 1, collisionCount: 0 }),
    [
      'status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas',
      'status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas',
      'status.collisionCount: Invalid value: 0: cannot be decremented',
    ],
    { before: status({}), subresource: 'status' },
  ],
  [
    StatefulSet,
    'the counts',
    status({ replicas: 1, availableReplicas: 2, observedGeneration: -1 }),
    [
      'status.observedGeneration: Invalid value: -1: must be greater than or equal to 0',
      'status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas',
      'status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas',
    ],
    { subresource: 'status' },
  ],
]

for (const [kind, what, change, expected, options] of updates)
  test(`${kind.kind} update of ${what} ${expected.length > 0 ? 'is refused' : 'is taken'}`, () =>
    assert.deepEqual(
      updateErrors(
        kind,
        change,
        kind === Deployment ? { ...options!, before: (object) => (object.status = { collisionCount: 1 }) } : options,
      ),
      expected,
    ))
