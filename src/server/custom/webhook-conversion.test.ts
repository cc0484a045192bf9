import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering, at, type Convert, convert, DEFINITIONS, definitionOf, GROUP, type Json, NAME, startConverted } from './testing.ts'

test('a resource is written and read in each version, and stored in one', async () => {
  await using f = await startConverted()
  assert.deepEqual((await f.send('POST', at('v1'), f.object('a', 'v1'))).body['spec'], { hostPort: 'a:1' })
  assert.equal(f.stranger.calls.length, 0, 'what is stored as it is asked for needs nobody')
  const made = await f.send('POST', at('v2'), f.object('b', 'v2'))
  assert.deepEqual([made.status, made.body['apiVersion'], made.body['spec']], [201, `${GROUP}/v2`, { host: 'b', port: '2' }])
  assert.deepEqual((await f.send('GET', at('v2', 'a'))).body['spec'], { host: 'a', port: '1' })
  assert.deepEqual((await f.send('GET', at('v1', 'b'))).body['spec'], { hostPort: 'b:2' })
  const patched = await f.send('PATCH merge', at('v2', 'a'), { spec: { port: '9' } })
  assert.deepEqual([patched.status, patched.body['spec']], [200, { host: 'a', port: '9' }])
  const put = await f.send('PUT', at('v2', 'b'), { ...made.body, spec: { host: 'c', port: '3' } })
  assert.deepEqual([put.status, put.body['spec'], put.body['metadata'].generation], [200, { host: 'c', port: '3' }, 2])
  const applied = await f.send('PATCH apply', `${at('v2', 'd')}?fieldManager=me`, f.object('d', 'v2'))
  assert.deepEqual([applied.status, applied.body['spec']], [201, { host: 'd', port: '2' }])
  const { body } = await f.send('GET', at('v1'))
  assert.deepEqual(
    body['items'].map((one: Json) => [one['apiVersion'], one['spec'].hostPort]),
    [
      [`${GROUP}/v1`, 'a:9'],
      [`${GROUP}/v1`, 'c:3'],
      [`${GROUP}/v1`, 'd:2'],
    ],
  )
  const selected = await f.send('GET', `${at('v2')}?fieldSelector=spec.host%3Dc`)
  assert.deepEqual(
    selected.body['items'].map((one: Json) => one['metadata'].name),
    ['b'],
  )
  assert.equal((await f.send('DELETE', at('v2', 'a'))).status, 200)
  assert.equal((await f.send('GET', at('v1', 'a'))).status, 404)
})

test('what a version lacks is filled in by the version it is stored in, before it is converted', async () => {
  await using f = await startConverted()
  await f.send('POST', at('v1'), f.object('before', 'v1', { spec: {} }))
  const { body: definition } = await f.send('GET', `${DEFINITIONS}/${NAME}`)
  const [v1, v2] = definition['spec'].versions.map((one: Json) => one['schema'].openAPIV3Schema.properties.spec)
  v1.default = {}
  v1.properties.hostPort.default = 'stored:1'
  v2.properties.host.default = 'sent'
  assert.equal((await f.send('PUT', `${DEFINITIONS}/${NAME}`, definition)).status, 200)
  const specOf = async (version: string, name: string) => (await f.send('GET', at(version, name))).body['spec']
  while (!(await specOf('v1', 'before')).hostPort) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(await specOf('v1', 'before'), { hostPort: 'stored:1' })
  assert.deepEqual(await specOf('v2', 'before'), { host: 'stored', port: '1' })
  // A body is filled in by the version it is sent in, and once more by the one it is stored in.
  await f.send('POST', at('v2'), f.object('sent', 'v2', { spec: { port: '9' } }))
  assert.deepEqual(await specOf('v1', 'sent'), { hostPort: 'sent:9' })
})

test('what is sent in another version has the defaults of the stored one from the first', async () => {
  await using f = await startConverted()
  const definition = definitionOf(f.stranger) as Json
  const { body } = await f.send('GET', `${DEFINITIONS}/${NAME}`)
  definition['metadata'] = { ...body['metadata'] }
  const [v1] = definition['spec'].versions.map((one: Json) => one['schema'].openAPIV3Schema.properties.spec)
  v1.properties.zone = { type: 'string', default: 'z' }
  assert.equal((await f.send('PUT', `${DEFINITIONS}/${NAME}`, definition)).status, 200)
  let made: Json = {}
  for (let turns = 0; made['spec']?.zone === undefined && turns < 1000; turns++) {
    await f.send('POST', at('v2'), f.object(`a${turns}`, 'v2'))
    made = (await f.send('GET', at('v1', `a${turns}`))).body
  }
  assert.deepEqual(made['spec'], { hostPort: `${made['metadata'].name}:2`, zone: 'z' })
})

test('a list of what was stored in several versions is one call, and comes in the version asked for', async () => {
  await using f = await startConverted()
  await f.send('POST', at('v1'), f.object('a', 'v1'))
  await f.send('POST', at('v1'), f.object('b', 'v1'))
  const { resourceVersion } = (await f.send('GET', `${DEFINITIONS}/${NAME}`)).body['metadata']
  const changed = definitionOf(f.stranger, 'v2')
  const put = await f.send('PUT', `${DEFINITIONS}/${NAME}`, { ...changed, metadata: { name: NAME, resourceVersion } })
  assert.deepEqual(put.body['status'].storedVersions, ['v1', 'v2'])
  await f.send('POST', at('v2'), f.object('c', 'v2'))
  f.stranger.calls.length = 0
  const specs = async (served: string) => (await f.send('GET', at(served))).body['items'].map((one: Json) => one['spec'])
  assert.deepEqual(await specs('v2'), [
    { host: 'a', port: '1' },
    { host: 'b', port: '1' },
    { host: 'c', port: '2' },
  ])
  const [{ body, path } = assert.fail()] = f.stranger.calls
  const { request, ...head } = JSON.parse(body)
  assert.deepEqual(
    [f.stranger.calls.length, path, head],
    [1, '/convert?timeout=30s', { kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1' }],
  )
  assert.deepEqual([request.desiredAPIVersion, request.objects.map((one: Json) => one['metadata'].name)], [`${GROUP}/v2`, ['a', 'b']])
  assert.deepEqual(await specs('v1'), [{ hostPort: 'a:1' }, { hostPort: 'b:1' }, { hostPort: 'c:2' }])
})

test('a watch tells changes in its version and in their order', async () => {
  await using f = await startConverted()
  await f.send('POST', at('v1'), f.object('a', 'v1'))
  const { kind } = f.server.registry.find(GROUP, 'v2', 'endpoints')!
  const stop = new AbortController()
  const events = f.client.watch(kind, { namespace: 'default', signal: stop.signal })[Symbol.asyncIterator]()
  const next = async () => {
    const { value } = (await events.next()) as { value: { type: string; object: Json } }
    return [value.type, value.object['apiVersion'].slice(-2), value.object['spec'].host]
  }
  assert.deepEqual(await next(), ['ADDED', 'v2', 'a'])
  await f.send('POST', at('v2'), f.object('b', 'v2'))
  await f.send('PATCH merge', at('v1', 'a'), { spec: { hostPort: 'z:1' } })
  await f.send('DELETE', at('v1', 'b'))
  assert.deepEqual(
    [await next(), await next(), await next()],
    [
      ['ADDED', 'v2', 'b'],
      ['MODIFIED', 'v2', 'z'],
      ['DELETED', 'v2', 'b'],
    ],
  )
  stop.abort()
})

test('what a webhook makes of objects must be the same objects', async () => {
  await using f = await startConverted()
  await f.send('POST', at('v1'), f.object('a', 'v1', { metadata: { name: 'a', labels: { own: 'x' } } }))
  const about = `conversion webhook for ${GROUP}/v1, Kind=Endpoint`
  const bad =
    (change: (one: Json) => Json): Convert =>
    (object, wanted) =>
      change(convert(object, wanted))
  const meta = (more: object) => bad((one) => ({ ...one, metadata: { ...one['metadata'], ...more } }))
  const cases: [Parameters<typeof answering>[0] | (() => unknown), string][] = [
    [
      bad((one) => ({ ...one, apiVersion: 'x/v9' })),
      `${about} returned invalid object: invalid groupVersion (expected ${GROUP}/v2, received x/v9)`,
    ],
    [bad((one) => ({ ...one, kind: 'Other' })), `${about} returned invalid object: invalid kind (expected Endpoint, received Other)`],
    [meta({ name: 'b' }), `${about} returned invalid object: must have the same name: a != b`],
    [meta({ labels: { own: 1 } }), `${about} returned invalid metadata: metadata.labels[own] must be a string in converted object`],
  ]
  for (const [one, message] of cases) {
    f.stranger.answerer = answering(one as Convert)
    const { status, body } = await f.send('GET', at('v2', 'a'))
    assert.deepEqual([status, body['message'], body['code']], [500, message, 500])
  }
  const { url } = f.stranger
  const answers: [() => unknown, string][] = [
    [() => ({}), `${about} failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=`],
    [() => ({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'ConversionReview' }), `${about} failed: no response provided`],
    [() => '{', `${about} failed: couldn't get version/kind; json parse error: `],
    [
      () => Buffer.alloc(17 * 1024 * 1024),
      `${about} failed: Post "${url}/convert?timeout=30s": the answer is larger than the 16777216 bytes allowed`,
    ],
  ]
  for (const [answer, message] of answers) {
    f.stranger.answerer = answer
    const { status, body } = await f.send('GET', at('v2', 'a'))
    assert.equal(status, 500)
    assert.ok(body['message'].startsWith(message), body['message'])
  }
  f.stranger.answerer = ({ body }) => {
    const { uid } = JSON.parse(body).request
    return {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'ConversionReview',
      response: { uid, result: { status: 'Failure', message: 'cannot' } },
    }
  }
  assert.equal((await f.send('GET', at('v2', 'a'))).body['message'], `${about} failed: cannot`)
  // Labels are the converter's to change; what else it makes of metadata does not count.
  f.stranger.answerer = answering(meta({ labels: { other: 'y' }, creationTimestamp: '1999-01-01T00:00:00Z', finalizers: ['a/b'] }))
  const { metadata } = (await f.send('GET', at('v2', 'a'))).body
  assert.deepEqual(
    [metadata.labels, metadata.finalizers, metadata.creationTimestamp.startsWith('1999')],
    [{ other: 'y' }, undefined, false],
  )
})

test('an admission webhook for one version sees and changes what is sent in another', async () => {
  await using f = await startConverted()
  const converting = f.stranger.answerer
  const seen: Json[] = []
  f.stranger.answerer = (call, response) => {
    if (!call.path.startsWith('/admit')) return converting(call, response)
    const { request, apiVersion } = JSON.parse(call.body)
    seen.push(request)
    const patch = Buffer.from(JSON.stringify([{ op: 'replace', path: '/spec/port', value: '443' }])).toString('base64')
    return { apiVersion, kind: 'AdmissionReview', response: { uid: request.uid, allowed: true, patchType: 'JSONPatch', patch } }
  }
  const { url, caBundle } = f.stranger
  const webhook = {
    name: 'admit.net.example.com',
    clientConfig: { url: `${url}/admit`, caBundle },
    rules: [{ operations: ['CREATE'], apiGroups: [GROUP], apiVersions: ['v2'], resources: ['endpoints'] }],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  }
  const configuration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'm' },
    webhooks: [webhook],
  }
  assert.equal((await f.send('POST', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', configuration)).status, 201)
  const { status, body } = await f.send('POST', at('v1'), f.object('a', 'v1'))
  assert.deepEqual([status, body['apiVersion'], body['spec']], [201, `${GROUP}/v1`, { hostPort: 'a:443' }])
  const [{ kind, requestKind, object } = assert.fail()] = seen
  assert.deepEqual(
    [kind.version, requestKind.version, object.apiVersion, object.spec],
    ['v2', 'v1', `${GROUP}/v2`, { host: 'a', port: '1' }],
  )
})

test('conversions are counted by definition, versions and what came of them', async () => {
  await using f = await startConverted()
  await f.send('POST', at('v2'), f.object('a', 'v2', { spec: { host: 'h', port: '1' } }))
  f.stranger.answerer = answering(() => ({}))
  await f.send('POST', at('v2'), f.object('b', 'v2', { spec: { host: 'h', port: '1' } }))
  f.stranger.answerer = () => '{}'
  await f.send('POST', at('v2'), f.object('c', 'v2', { spec: { host: 'h', port: '1' } }))
  const text = String((await f.send('GET', '/metrics')).body)
  assert.match(text, /apiserver_conversion_webhook_request_total\{failure_type="",result="success"\} [1-9]/)
  for (const failure of ['invalid_converted_object', 'malformed_response'])
    assert.match(
      text,
      new RegExp(
        `apiserver_conversion_webhook_request_total\\{failure_type="conversion_webhook_${failure}_failure",result="failure"\\} 1\n`,
      ),
    )
  assert.match(
    text,
    new RegExp(`webhook_duration_seconds_count\\{crd_name="${NAME}",from_version="v2",succeeded="false",to_version="v1"\\} 2\n`),
  )
  assert.match(
    text,
    /apiserver_admission_step_admission_duration_seconds_count\{operation="CREATE",rejected="false",type="validate"\} [1-9]/,
  )
  assert.match(
    text,
    /admission_controller_admission_duration_seconds_count\{name="MutatingAdmissionWebhook",operation="CREATE",rejected="false",type="admit"\} [1-9]/,
  )
})
