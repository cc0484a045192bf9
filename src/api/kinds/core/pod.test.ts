import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createdObject, createErrors, testContext, updateErrors } from '#api/kinds/minimal-objects.ts'
import { tableOf } from '#api/table.ts'
import { Pod } from './pod.ts'

type Change = (pod: any) => void
const container =
  (change: Change): Change =>
  (pod) =>
    change(pod.spec.containers[0])
const spec =
  (fields: Record<string, unknown>): Change =>
  (pod) =>
    void Object.assign(pod.spec, fields)
const volume = (source: Record<string, unknown>): Change => spec({ volumes: [{ name: 'v', ...source }] })

const refused: [string, Change, string[]][] = [
  ['no containers', spec({ containers: [] }), ['spec.containers: Required value']],
  ['a container without a name', container((c) => delete c.name), ['spec.containers[0].name: Required value']],
  [
    'a container name out of form',
    container((c) => (c.name = 'C')),
    [
      `spec.containers[0].name: Invalid value: "C": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
    ],
  ],
  [
    'a container twice',
    (pod) => pod.spec.containers.push(structuredClone(pod.spec.containers[0])),
    ['spec.containers[1].name: Duplicate value: "c"'],
  ],
  ['no image', container((c) => delete c.image), ['spec.containers[0].image: Required value']],
  [
    'spaces round an image',
    container((c) => (c.image = ' a')),
    ['spec.containers[0].image: Invalid value: " a": must not have leading or trailing whitespace'],
  ],
  [
    'an unknown pull policy',
    container((c) => (c.imagePullPolicy = 'Often')),
    ['spec.containers[0].imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"'],
  ],
  [
    'an unknown restart policy',
    spec({ restartPolicy: 'Maybe' }),
    ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    'an unknown DNS policy',
    spec({ dnsPolicy: 'X' }),
    ['spec.dnsPolicy: Unsupported value: "X": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'],
  ],
  [
    'own DNS without configuration',
    spec({ dnsPolicy: 'None' }),
    ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
  ],
  [
    'a port out of range',
    container((c) => (c.ports = [{ containerPort: 70000 }])),
    ['spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  ],
  [
    'a mount of no volume',
    container((c) => (c.volumeMounts = [{ name: 'v', mountPath: '/v' }])),
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    'two mounts at one path',
    (pod) => {
      pod.spec.volumes = [{ name: 'v' }]
      pod.spec.containers[0].volumeMounts = [
        { name: 'v', mountPath: '/v' },
        { name: 'v', mountPath: '/v' },
      ]
    },
    ['spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/v": must be unique'],
  ],
  [
    'a sub path that climbs',
    (pod) => {
      pod.spec.volumes = [{ name: 'v' }]
      pod.spec.containers[0].volumeMounts = [{ name: 'v', mountPath: '/v', subPath: 'a/../../b' }]
    },
    ['spec.containers[0].volumeMounts.subPath: Invalid value: "a/../../b": must not contain \'..\''],
  ],
  [
    'a volume of two kinds',
    volume({ emptyDir: {}, hostPath: { path: '/x' } }),
    ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  ],
  ['a volume twice', spec({ volumes: [{ name: 'v' }, { name: 'v' }] }), ['spec.volumes[1].name: Duplicate value: "v"']],
  [
    'a file mode out of range',
    volume({ secret: { secretName: 's', defaultMode: 0o1000 } }),
    ['spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive'],
  ],
  [
    'a token that lives too short',
    volume({ projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 60 } }] } }),
    [
      'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
      'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set',
    ],
  ],
  [
    'more requested than allowed',
    container((c) => (c.resources = { requests: { cpu: '2' }, limits: { cpu: '1' } })),
    ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
  ],
  [
    'an extended resource by halves',
    container((c) => (c.resources = { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '2' } })),
    ['spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2'],
  ],
  [
    'an unknown resource',
    container((c) => (c.resources = { limits: { gpu: '1' } })),
    [
      'spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers',
      'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
    ],
  ],
  [
    'a probe without handler',
    container((c) => (c.livenessProbe = {})),
    ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
  ],
  [
    'a liveness probe that must succeed twice',
    container((c) => (c.livenessProbe = { tcpSocket: { port: 80 }, successThreshold: 2 })),
    ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
  ],
  [
    'an environment value from nowhere',
    container((c) => (c.env = [{ name: 'A', valueFrom: {} }])),
    [
      'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    ],
  ],
  [
    'a field of the pod that does not exist',
    container((c) => (c.env = [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.foo' } } }])),
    [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error converting fieldPath: field label not supported: spec.foo',
    ],
  ],
  [
    'a deadline of nothing',
    spec({ activeDeadlineSeconds: 0 }),
    ['spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive'],
  ],
  [
    'a toleration for a while of what does not evict',
    spec({ tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 5 }] }),
    ['spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set'],
  ],
  [
    'ephemeral containers',
    spec({ ephemeralContainers: [{ name: 'e', image: 'x' }] }),
    ['spec.ephemeralContainers: Forbidden: cannot be set on create'],
  ],
  [
    'a node together with scheduling gates',
    spec({ nodeName: 'n', schedulingGates: [{ name: 'g' }] }),
    ['spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared'],
  ],
  [
    'a host port that is not its own on the host network',
    (pod) => {
      pod.spec.hostNetwork = true
      pod.spec.containers[0].ports = [{ containerPort: 80, hostPort: 81 }]
    },
    ['spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true'],
  ],
  [
    'an affinity weight out of range',
    spec({ affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, preference: {} }] } } }),
    [
      'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100',
    ],
  ],
]

for (const [what, change, expected] of refused) test(`Pod refuses ${what}`, () => assert.deepEqual(createErrors(Pod, change), expected))

test('Pod default fills what upstream fills', () => {
  const pod = createdObject(Pod, (given) => {
    given.spec.containers[0] = {
      name: 'c',
      image: 'registry:5000/app:1.0',
      ports: [{ containerPort: 80 }],
      resources: { limits: { cpu: '1000m', memory: '1024Mi' } },
      livenessProbe: { httpGet: { port: 80 } },
    }
    given.spec.volumes = [{ name: 'a' }, { name: 'b', secret: { secretName: 's' } }]
  })
  assert.deepEqual(pod.spec, {
    containers: [
      {
        name: 'c',
        image: 'registry:5000/app:1.0',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
        resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } },
        livenessProbe: {
          httpGet: { port: 80, path: '/', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        imagePullPolicy: 'IfNotPresent',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
      },
    ],
    volumes: [
      { name: 'a', emptyDir: {} },
      { name: 'b', secret: { secretName: 's', defaultMode: 420 } },
    ],
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  })
  assert.deepEqual(pod.status, { phase: 'Pending', qosClass: 'Guaranteed' })
})

for (const [resources, expected] of [
  [undefined, 'BestEffort'],
  [{ requests: { cpu: '1' } }, 'Burstable'],
  [{ limits: { cpu: '1' } }, 'Burstable'],
  [{ limits: { cpu: '1', memory: '1Gi' } }, 'Guaranteed'],
  [{ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } }, 'Burstable'],
] as const) {
  test(`Pod with resources ${JSON.stringify(resources)} is ${expected}`, () => {
    const pod = createdObject(
      Pod,
      container((c) => resources && (c.resources = resources)),
    )
    assert.equal(pod.status?.qosClass, expected)
  })
}

const OTHER_FIELDS =
  'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n'

const updates: [string, Change, string[]][] = [
  ['an image', container((c) => (c.image = 'nginx:2')), []],
  ['a further toleration', spec({ tolerations: [{ key: 'a', operator: 'Exists' }] }), []],
  ['a deadline', spec({ activeDeadlineSeconds: 5 }), []],
  ['labels', (pod) => (pod.metadata.labels = { a: 'b' }), []],
  [
    'the node',
    spec({ nodeName: 'n' }),
    [
      `${OTHER_FIELDS}@@ -42,7 +42,7 @@\n  "NodeSelector": null,\n  "ServiceAccountName": "",\n  "AutomountServiceAccountToken": null,\n- "NodeName": "",\n+ "NodeName": "n",\n  "SecurityContext": {\n   "HostNetwork": false,\n   "HostPID": false,\n`,
    ],
  ],
  [
    'a container more',
    (pod) => pod.spec.containers.push({ name: 'd', image: 'x' }),
    ['spec.containers: Forbidden: pod updates may not add or remove containers'],
  ],
  [
    'a new scheduling gate',
    spec({ schedulingGates: [{ name: 'g' }] }),
    ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'"],
  ],
]

for (const [what, change, expected] of updates)
  test(`Pod update of ${what} ${expected.length > 0 ? 'is refused' : 'is accepted'}`, () =>
    assert.deepEqual(updateErrors(Pod, change), expected))

test('Pod update of very many tolerations keeps them, whatever their order and seconds', () => {
  const effect = 'NoExecute'
  const tolerations = Array.from({ length: 20_000 }, (_, i) => ({ key: `k${i}`, operator: 'Exists', effect, tolerationSeconds: i }))
  const before = spec({ tolerations })
  const changed = tolerations.map((one) => ({ ...one, tolerationSeconds: 7 })).toReversed()
  assert.deepEqual(updateErrors(Pod, spec({ tolerations: [{ key: 'more', operator: 'Exists' }, ...changed] }), { before }), [])
  assert.deepEqual(updateErrors(Pod, spec({ tolerations: changed.slice(1) }), { before }), [
    'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
  ])
})

test('Pod with very many registries that are none is told so once', () => {
  const found = createErrors(Pod, volume({ quobyte: { registry: ','.repeat(200_000), volume: 'v' } }))
  assert.equal(found.length, 1)
  assert.match(found[0]!, /^spec.volumes\[0\].quobyte.registry: Invalid value: ",+": must be a host:port pair/)
})

test('Pod ephemeralcontainers adds but neither changes nor removes', () => {
  const before = (pod: any) => pod
  const options = { before, subresource: 'ephemeralcontainers' }
  assert.deepEqual(updateErrors(Pod, spec({ ephemeralContainers: [{ name: 'e', image: 'x' }], nodeName: 'ignored' }), options), [])
  assert.deepEqual(updateErrors(Pod, spec({ ephemeralContainers: [{ name: 'c', image: 'x' }] }), options), [
    'spec.ephemeralContainers[0].name: Duplicate value: "c"',
  ])
})

test('Pod resize changes cpu and memory and nothing else', () => {
  const before = container((c) => (c.resources = { requests: { cpu: '1' }, limits: { cpu: '2' } }))
  const resize = (resources: unknown) =>
    updateErrors(
      Pod,
      container((c) => Object.assign(c, { resources, image: 'ignored' })),
      { before, subresource: 'resize' },
    )
  assert.deepEqual(resize({ requests: { cpu: '1500m' }, limits: { cpu: '2' } }), [])
  assert.deepEqual(resize({ requests: { cpu: '1' } }), [
    'spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed',
  ])
})

const [started, ago] = ['2026-01-01T00:00:00Z', '2026-01-01T00:05:00Z']
const running = { name: 'c', ready: true, started: true, restartCount: 0, state: { running: { startedAt: started } } }
const rows: [string, Change, unknown[]][] = [
  ['Pending', () => {}, ['x', '0/1', 'Pending', '0']],
  ['Running', (pod) => Object.assign(pod.status, { phase: 'Running', containerStatuses: [running] }), ['x', '1/1', 'Running', '0']],
  [
    'CrashLoopBackOff',
    (pod) =>
      (pod.status.containerStatuses = [
        {
          ...running,
          ready: false,
          restartCount: 3,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { exitCode: 1, finishedAt: ago } },
        },
      ]),
    ['x', '0/1', 'CrashLoopBackOff', '3 (5m ago)'],
  ],
  [
    'an init container',
    (pod) => {
      pod.spec.initContainers = [{ name: 'i' }, { name: 'j' }]
      pod.status.initContainerStatuses = [{ name: 'i', restartCount: 0, state: { running: {} } }]
    },
    ['x', '0/1', 'Init:0/2', '0'],
  ],
  [
    'Completed',
    (pod) =>
      Object.assign(pod.status, {
        phase: 'Succeeded',
        containerStatuses: [{ ...running, ready: false, state: { terminated: { exitCode: 0, reason: 'Completed' } } }],
      }),
    ['x', '0/1', 'Completed', '0'],
  ],
  ['Terminating', (pod) => (pod.metadata.deletionTimestamp = started), ['x', '0/1', 'Terminating', '0']],
]

for (const [what, change, expected] of rows)
  test(`Pod columns show ${what}`, () => {
    const pod = createdObject(Pod)
    change(pod)
    assert.deepEqual(tableOf(Pod, [pod], { now: testContext.now }).rows[0]!.cells.slice(0, 4), expected)
  })

test('Pod rows of finished pods carry a condition', () => {
  const pod = createdObject(Pod)
  pod.status = { phase: 'Succeeded' }
  assert.deepEqual(tableOf(Pod, [pod], { now: testContext.now }).rows[0]!.conditions, [
    { type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' },
  ])
})

test('Pod gracePeriodSeconds is nothing for pods no node runs', () => {
  const pod = createdObject(Pod)
  assert.equal(Pod.gracePeriodSeconds!(pod), 0)
  pod.spec!.nodeName = 'n'
  assert.equal(Pod.gracePeriodSeconds!(pod), 30)
  pod.spec!.terminationGracePeriodSeconds = 0
  assert.deepEqual([Pod.gracePeriodSeconds!(pod), Pod.gracePeriodSeconds!(pod, 5), Pod.gracePeriodSeconds!(pod, -1)], [0, 5, 1])
  pod.status!.phase = 'Failed'
  assert.equal(Pod.gracePeriodSeconds!(pod, 5), 0)
})
