// What upstream's encoder writes where nothing was said: null for lists, maps and times it cannot leave out, never `[]`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getOwn, isObject } from '#api/clone.ts'
import { customDefinition } from '#api/custom/testing.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { createMemoryStore } from '#store/memory.ts'
import { pod, type Requests, startRequests } from './requests.ts'

const CONTAINER = { name: 'c', image: 'busybox:1' }
const TEMPLATE = { metadata: { labels: { app: 'x' } }, spec: { containers: [CONTAINER] } }
const SELECTOR = { matchLabels: { app: 'x' } }
const RULE = { verbs: ['get'], apiGroups: [''], resources: ['pods'] }

/** Paths that are null in an answer, in order. */
function nullsOf(value: unknown, path = ''): string[] {
  if (value === null) return [path]
  if (Array.isArray(value)) return value.flatMap((item, index) => nullsOf(item, `${path}[${index}]`))
  if (!isObject(value)) return []
  return Object.keys(value).flatMap((key) => nullsOf(getOwn(value, key), path ? `${path}.${key}` : key))
}

const CREATED: [collection: string, body: object, nulls: string[]][] = [
  ['/apis/rbac.authorization.k8s.io/v1/clusterroles', { aggregationRule: { clusterRoleSelectors: [{}] } }, ['rules']],
  ['/apis/rbac.authorization.k8s.io/v1/clusterroles', { rules: [] }, ['rules']],
  ['/apis/rbac.authorization.k8s.io/v1/clusterroles', { rules: [RULE] }, []],
  ['/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles', {}, ['rules']],
  ['/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', { roleRef: { kind: 'ClusterRole', name: 'x' }, subjects: [] }, []],
  ['/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', { addressType: 'IPv4' }, ['endpoints', 'ports']],
  ['/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', { addressType: 'IPv4', endpoints: [], ports: [{}] }, ['endpoints']],
  ['/api/v1/namespaces/default/endpoints', { subsets: [] }, []],
  [
    '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers',
    { spec: { maxReplicas: 1, scaleTargetRef: { kind: 'Deployment', name: 'x' } } },
    ['status.currentMetrics'],
  ],
  [
    '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers',
    { spec: { maxReplicas: 1, scaleTargetRef: { kind: 'Deployment', name: 'x' } } },
    [],
  ],
  ['/apis/storage.k8s.io/v1/csinodes', {}, ['spec.drivers']],
  ['/apis/storage.k8s.io/v1/csinodes', { spec: { drivers: [{ name: 'd', nodeID: 'n' }] } }, ['spec.drivers[0].topologyKeys']],
  ['/api/v1/namespaces/default/limitranges', {}, ['spec.limits']],
  ['/api/v1/namespaces/default/resourcequotas', { spec: { hard: {} } }, []],
  ['/api/v1/namespaces/default/events', { involvedObject: { namespace: 'default' } }, ['eventTime', 'firstTimestamp', 'lastTimestamp']],
  [
    '/apis/events.k8s.io/v1/namespaces/default/events',
    {
      regarding: { namespace: 'default' },
      eventTime: '2026-01-02T03:04:05.000006Z',
      reportingController: 'a',
      reportingInstance: 'b',
      action: 'c',
      reason: 'd',
      type: 'Normal',
    },
    ['deprecatedFirstTimestamp', 'deprecatedLastTimestamp'],
  ],
  ['/apis/resource.k8s.io/v1/namespaces/default/resourceclaims', { spec: {} }, ['spec.devices.requests']],
  ['/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates', { spec: {} }, ['spec.spec.devices.requests']],
  ['/apis/resource.k8s.io/v1/deviceclasses', { spec: {} }, []],
  [
    '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas',
    {
      spec: {
        priorityLevelConfiguration: { name: 'x' },
        rules: [{ subjects: [{ kind: 'User', user: { name: 'x' } }], resourceRules: [{ ...RULE, clusterScope: true }] }],
      },
    },
    ['spec.rules[0].resourceRules[0].namespaces'],
  ],
  ['/apis/networking.k8s.io/v1/namespaces/default/networkpolicies', {}, []],
  ['/apis/networking.k8s.io/v1/namespaces/default/ingresses', { spec: { rules: [{ host: 'a.example.com' }] } }, []],
  ['/apis/policy/v1/namespaces/default/poddisruptionbudgets', { spec: {} }, []],
  ['/apis/apps/v1/namespaces/default/deployments', { spec: { selector: SELECTOR, template: TEMPLATE } }, []],
  ['/apis/apps/v1/namespaces/default/daemonsets', { spec: { selector: SELECTOR, template: TEMPLATE } }, []],
  ['/apis/batch/v1/namespaces/default/jobs', { spec: { template: { spec: { ...TEMPLATE.spec, restartPolicy: 'Never' } } } }, []],
  ['/api/v1/namespaces/default/services', { spec: { clusterIP: 'None' } }, []],
  ['/api/v1/namespaces/default/configmaps', { data: {} }, []],
  [
    '/api/v1/namespaces/default/pods',
    { spec: { containers: [CONTAINER], volumes: [{ name: 'v', projected: {} }] } },
    ['spec.volumes[0].projected.sources'],
  ],
]

for (const [collection, body, nulls] of CREATED) {
  test(`POST ${collection} ${JSON.stringify(body).slice(0, 60)} answers null for ${nulls.join(', ') || 'nothing'}`, async () => {
    // The server keeps the statuses of some objects itself, a moment later: that moment does not come.
    await using t = await startRequests({ clock: createVirtualClock() })
    const sent = { metadata: { name: 'x' }, ...body }
    const created = await t.send('POST', collection, sent)
    assert.equal(created.status, 201, created.text)
    assert.deepEqual(nullsOf(created.json).toSorted(), nulls.toSorted())
    const path = `${collection}/${sent.metadata.name}`
    const dry = await t.send('PUT', `${path}?dryRun=All`, created.json)
    assert.deepEqual(dry.json, created.json, 'what was read may be sent back, and changes nothing')
    assert.deepEqual((await t.send('GET', path)).json, created.json)
    const { items } = (await t.send('GET', collection)).json
    assert.deepEqual(nullsOf(items[0]).toSorted(), nulls.toSorted())
  })
}

const PODS = '/api/v1/namespaces/default/pods'

const STATUSES: [path: string, status: object, nulls: string[]][] = [
  [
    `${PODS}/x`,
    {
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [
        {
          name: 'c',
          image: 'i',
          imageID: '',
          ready: true,
          restartCount: 0,
          state: { running: {} },
          lastState: { terminated: { exitCode: 1 } },
        },
      ],
    },
    [
      'status.conditions[0].lastProbeTime',
      'status.conditions[0].lastTransitionTime',
      'status.containerStatuses[0].lastState.terminated.finishedAt',
      'status.containerStatuses[0].lastState.terminated.startedAt',
      'status.containerStatuses[0].state.running.startedAt',
    ],
  ],
  [
    '/api/v1/nodes/x',
    { conditions: [{ type: 'Ready', status: 'True' }], images: [{ sizeBytes: 1 }] },
    ['status.conditions[0].lastHeartbeatTime', 'status.conditions[0].lastTransitionTime', 'status.images[0].names'],
  ],
]

for (const [path, status, nulls] of STATUSES) {
  test(`PATCH ${path}/status answers null for ${nulls.join(', ')}`, async () => {
    await using t = await startRequests()
    await t.send('POST', path.slice(0, -2), pod('x'))
    const body = path.includes('nodes') ? { metadata: { name: 'x' } } : pod('x')
    await t.send('POST', path.slice(0, -2), body)
    const { json, text, status: code } = await t.send('PATCH merge', `${path}/status`, { status })
    assert.equal(code, 200, text)
    assert.deepEqual(nullsOf(json.status, 'status').toSorted(), nulls)
    const again = await t.send('PATCH merge', `${path}/status`, { status })
    assert.equal(again.json.metadata.resourceVersion, json.metadata.resourceVersion, 'the same again writes nothing')
  })
}

const ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles'

async function role(t: Requests, body: object = {}): Promise<void> {
  assert.equal((await t.send('POST', ROLES, { metadata: { name: 'x' }, ...body })).status, 201)
}

test('PATCH sees null as upstream does', async () => {
  await using t = await startRequests()
  await role(t)
  const patches: [method: string, patch: unknown, status: number, rules: unknown][] = [
    ['PATCH json', [{ op: 'test', path: '/rules', value: null }], 200, null],
    ['PATCH json', [{ op: 'add', path: '/rules/-', value: RULE }], 422, null],
    ['PATCH json', [{ op: 'replace', path: '/rules', value: [RULE] }], 200, [RULE]],
    ['PATCH merge', { rules: null }, 200, null],
    ['PATCH merge', { rules: [RULE] }, 200, [RULE]],
    ['PATCH strategic', { rules: null }, 200, null],
    ['PATCH json', [{ op: 'remove', path: '/rules' }], 200, null],
    ['PATCH merge', { rules: [] }, 200, null],
  ]
  for (const [method, patch, status, rules] of patches) {
    const answer = await t.send(method, `${ROLES}/x`, patch)
    assert.equal(answer.status, status, `${method} ${JSON.stringify(patch)}: ${answer.text}`)
    assert.deepEqual((await t.send('GET', `${ROLES}/x`)).json.rules, rules, `${method} ${JSON.stringify(patch)}`)
  }
})

test('PATCH apply owns what it says, not the null it leaves behind', async () => {
  await using t = await startRequests()
  const apply = async (body: object) => {
    const answer = await t.send('PATCH apply', `${ROLES}/x?fieldManager=m`, {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'x', labels: { a: 'b' } },
      ...body,
    })
    assert.ok(answer.status < 300, answer.text)
    return answer.json
  }
  const fieldsOf = ({ metadata }: any) => metadata.managedFields.map(({ fieldsV1 }: any) => fieldsV1)
  assert.deepEqual(fieldsOf(await apply({})), [{ 'f:metadata': { 'f:labels': { 'f:a': {} } } }])
  const given = await apply({ rules: [RULE] })
  assert.deepEqual(fieldsOf(given), [{ 'f:metadata': { 'f:labels': { 'f:a': {} } }, 'f:rules': {} }])
  const taken = await apply({})
  assert.equal(taken.rules, null)
  assert.deepEqual(fieldsOf(taken), [{ 'f:metadata': { 'f:labels': { 'f:a': {} } } }])
})

test('POST gives nobody the nulls of a new object, but those of its new items', async () => {
  await using t = await startRequests()
  await t.send('POST', '/api/v1/namespaces/default/events', {
    metadata: { name: 'x' },
    involvedObject: { namespace: 'default' },
    reason: 'r',
  })
  const event = await t.send('GET', '/api/v1/namespaces/default/events/x')
  assert.deepEqual(event.json.metadata.managedFields[0].fieldsV1, { 'f:involvedObject': {}, 'f:reason': {} })
  await t.send('POST', PODS, pod('x'))
  const { json } = await t.send('PATCH merge', `${PODS}/x/status`, { status: { conditions: [{ type: 'Ready', status: 'True' }] } })
  assert.deepEqual(json.metadata.managedFields[1].fieldsV1['f:status']['f:conditions']['k:{"type":"Ready"}'], {
    '.': {},
    'f:lastProbeTime': {},
    'f:lastTransitionTime': {},
    'f:status': {},
    'f:type': {},
  })
})

test('definitions of custom resources are kept as JSON: empty stays empty', async () => {
  await using t = await startRequests()
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  const { json } = await t.send('POST', definitions, customDefinition('A'))
  assert.deepEqual(json.status, { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: ['v1'] })
  const { json: patched } = await t.send('PATCH merge', `${definitions}/as.example.com/status?dryRun=All`, { status: { conditions: [] } })
  assert.deepEqual(patched.status.conditions, [])
})

test('a restart reads nulls back as they were', async () => {
  await using store = createMemoryStore()
  const read = async (t: Requests) => (await t.send('GET', ROLES)).text
  let before: string
  {
    await using t = await startRequests({ store })
    await role(t)
    before = await read(t)
  }
  await using t = await startRequests({ store })
  assert.equal(await read(t), before)
})
