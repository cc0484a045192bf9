import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#lib/random.ts'
import type { AdmissionRequest } from '#server/request.ts'
import { configMap, deployment, IN_DEFAULT, pod, startRequests } from './requests.ts'

test('create sets what only the server sets and answers 201 with the stored object', async () => {
  await using t = await startRequests()
  const metadata = { uid: 'mine', deletionTimestamp: '2020-01-01T00:00:00Z', selfLink: '/x', generation: 9, creationTimestamp: null }
  const { status, json } = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a', { x: 'y' }, metadata))
  assert.equal(status, 201)
  assert.equal(json.metadata.namespace, 'default')
  assert.match(json.metadata.uid, /^[0-9a-f-]{36}$/)
  assert.match(json.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  for (const absent of ['deletionTimestamp', 'selfLink', 'generation']) assert.equal(json.metadata[absent], undefined)
  assert.deepEqual((await t.send('GET', `${IN_DEFAULT}/configmaps/a`)).json, json)
})

test('create makes fields of AppArmor annotations and says so', async () => {
  await using t = await startRequests()
  const made = pod('armoured')
  const key = `container.apparmor.security.beta.kubernetes.io/${made.spec!.containers[0]!.name}`
  const metadata = { ...made.metadata, annotations: { [key]: 'runtime/default' } }
  const { json, headers } = await t.send('POST', `${IN_DEFAULT}/pods`, { ...made, metadata })
  assert.deepEqual(json.spec.containers[0].securityContext, { appArmorProfile: { type: 'RuntimeDefault' } })
  assert.deepEqual([headers['warning']].flat(), [
    `299 - "metadata.annotations[${key}]: deprecated since v1.30; use the \\"appArmorProfile\\" field instead"`,
  ])
})

test('create clears status and starts generations at 1', async () => {
  await using t = await startRequests()
  const { json } = await t.send('POST', '/apis/apps/v1/namespaces/default/deployments', { ...deployment('d'), status: { replicas: 7 } })
  assert.equal(json.metadata.generation, 1)
  assert.equal(json.status?.replicas, undefined)
  assert.equal(json.spec.replicas, 1)
})

test('create takes a node with the status its kubelet registers it with', async () => {
  await using t = await startRequests()
  const node = { kind: 'Node', apiVersion: 'v1', metadata: { name: 'n' }, status: { capacity: { cpu: '4' } } }
  const { json } = await t.send('POST', '/api/v1/nodes', node)
  assert.deepEqual([json.status.capacity, json.status.allocatable], [{ cpu: '4' }, { cpu: '4' }])
  const { json: later } = await t.send('PUT', '/api/v1/nodes/n', { ...node, status: { capacity: { cpu: '8' } } })
  assert.deepEqual(later.status.capacity, { cpu: '4' })
})

test('create refuses what is there already, by name', async () => {
  await using t = await startRequests()
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  const { status, json } = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  assert.equal(status, 409)
  assert.deepEqual(json, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'configmaps "a" already exists',
    reason: 'AlreadyExists',
    details: { name: 'a', kind: 'configmaps' },
    code: 409,
  })
})

test('create generates names and tries again on a collision', async () => {
  // The same randomness twice: the second server would generate names the first has used.
  await using t = await startRequests({ random: { ...seededRandom(1), float: collidingFloats() } })
  const create = () => t.send('POST', `${IN_DEFAULT}/configmaps`, { ...configMap(''), metadata: { generateName: 'gen-' } })
  const first = (await create()).json.metadata.name
  const second = (await create()).json.metadata.name
  assert.equal(first, 'gen-bbbbb')
  assert.equal(second, 'gen-ccccc')
})

/** Five times 0 twice over, then a little more. */
function collidingFloats(): () => number {
  let calls = 0
  return () => (calls++ < 10 ? 0 : 1.5 / 27)
}

test('create says so when no generated name is free', async () => {
  await using t = await startRequests({ random: { ...seededRandom(1), float: () => 0 } })
  const create = () => t.send('POST', `${IN_DEFAULT}/configmaps`, { ...configMap(''), metadata: { generateName: 'gen-' } })
  await create()
  const { status, json, headers } = await create()
  assert.equal(status, 409)
  assert.equal(json.message, 'configmaps "gen-bbbbb" already exists, the server was not able to generate a unique name for the object')
  assert.equal(headers['retry-after'], '1')
})

test('create on a dry run answers as if, and stores nothing', async () => {
  await using t = await startRequests()
  const { status, json } = await t.send('POST', `${IN_DEFAULT}/configmaps?dryRun=All`, configMap('a'))
  assert.equal(status, 201)
  assert.ok(json.metadata.uid)
  assert.equal((await t.send('GET', `${IN_DEFAULT}/configmaps/a`)).status, 404)
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  assert.equal((await t.send('POST', `${IN_DEFAULT}/configmaps?dryRun=All`, configMap('a'))).status, 409)
})

const refusals: [string, string, unknown, number, string | RegExp][] = [
  [
    'another namespace',
    '/configmaps',
    configMap('a', {}, { namespace: 'other' }),
    400,
    'the namespace of the provided object does not match the namespace sent on the request',
  ],
  [
    'a resourceVersion',
    '/configmaps',
    configMap('a', {}, { resourceVersion: '5' }),
    500,
    'resourceVersion should not be set on objects to be created',
  ],
  [
    'no name',
    '/configmaps',
    configMap(''),
    422,
    'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
  ],
  [
    'a bad name',
    '/configmaps',
    configMap('A_b'),
    422,
    /^ConfigMap "A_b" is invalid: metadata\.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain/,
  ],
  ['another kind', '/configmaps', pod('a'), 400, /cannot be handled as a ConfigMap/],
  [
    'no JSON',
    '/configmaps',
    '{"kind":',
    400,
    /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: /,
  ],
  [
    'a bad dryRun',
    '/configmaps?dryRun=Some',
    configMap('a'),
    422,
    /^CreateOptions\.meta\.k8s\.io "" is invalid: dryRun: Unsupported value/,
  ],
  ['a bad fieldValidation', '/configmaps?fieldValidation=Often', configMap('a'), 422, /fieldValidation: Unsupported value: "Often"/],
  [
    'an unknown field under Strict',
    '/pods?fieldValidation=Strict',
    pod('a', { foo: 1 }),
    400,
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.foo"',
  ],
]
for (const [what, path, body, code, message] of refusals) {
  test(`create refuses ${what}`, async () => {
    await using t = await startRequests()
    const { status, json } = await t.send('POST', IN_DEFAULT + path, body)
    assert.equal(status, code)
    if (typeof message === 'string') assert.equal(json.message, message)
    else assert.match(json.message, message)
  })
}

test('create warns of unknown and duplicate fields unless told to ignore them', async () => {
  await using t = await startRequests()
  const body = JSON.stringify(pod('a', { foo: 1 })).replace('"image"', '"image":"x","image"')
  const { status, headers } = await t.send('POST', `${IN_DEFAULT}/pods?dryRun=All`, body)
  assert.equal(status, 201)
  const warnings = headers['warning'] as unknown as string[]
  assert.ok(warnings.includes('299 - "unknown field \\"spec.foo\\""'), String(warnings))
  assert.ok(warnings.includes('299 - "duplicate field \\"spec.containers[0].image\\""'), String(warnings))
  const silent = await t.send('POST', `${IN_DEFAULT}/pods?dryRun=All&fieldValidation=Ignore`, body)
  assert.equal(silent.headers['warning'], undefined)
})

test('create takes YAML, and refuses forms it does not know', async () => {
  await using t = await startRequests()
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: "1"}\n'
  assert.equal((await t.send('POST', `${IN_DEFAULT}/configmaps`, yaml, { 'content-type': 'application/yaml' })).status, 201)
  assert.equal((await t.send('POST', `${IN_DEFAULT}/configmaps`, yaml, { 'content-type': 'application/cbor' })).status, 415)
})

test('create drops repeated owners with a warning', async () => {
  await using t = await startRequests()
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u1' }
  const { json, headers } = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a', {}, { ownerReferences: [owner, owner] }))
  assert.deepEqual(json.metadata.ownerReferences, [owner])
  assert.match(String(headers['warning']), /duplicate entries.*u1/)
})

test('create generates the name when those who change the object are done with it', async () => {
  const seen: (string | undefined)[] = []
  const look = (when: string) => (request: AdmissionRequest) => {
    seen.push(`${when} ${request.attributes.name}/${request.object?.metadata?.name ?? ''}`)
  }
  const admission = [{ name: 'look', admit: look('admit'), validate: look('validate') }]
  await using t = await startRequests({ extensions: () => ({ admission }), random: { ...seededRandom(1), float: () => 0 } })
  await t.send('POST', `${IN_DEFAULT}/configmaps`, { ...configMap(''), metadata: { generateName: 'gen-' } })
  assert.deepEqual(seen, ['admit /', 'validate gen-bbbbb/gen-bbbbb'])
})
