// The conformance tests of conversion webhooks, each written from its description and named after it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { define, DEFINITIONS, type Fixture, type Json, startFixture } from './webhook-fixture.ts'

const conformance = (what: string, run: () => Promise<void>) =>
  test(`[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] ${what} [Conformance]`, run)

/** `hostPort` in v1 is `host` and `port` in v2. */
function convert(object: Json, apiVersion: string): Json {
  const { hostPort, host, port, ...rest } = object
  if (!apiVersion.endsWith('/v2')) return { ...rest, apiVersion, hostPort: `${host}:${port}` }
  const [first, second] = String(hostPort).split(':')
  return { ...rest, apiVersion, host: first, port: second }
}

let f: Fixture
before(async () => {
  f = await startFixture(({ body }) => {
    const { request, apiVersion } = JSON.parse(body) as Json
    const convertedObjects = request.objects.map((one: Json) => convert(one, request.desiredAPIVersion))
    return { apiVersion, kind: 'ConversionReview', response: { uid: request.uid, result: { status: 'Success' }, convertedObjects } }
  })
})
after(() => f[Symbol.asyncDispose]())

const text = { type: 'string' }

const defined = (plural: string) =>
  define(f, {
    plural,
    versions: [
      { name: 'v1', storage: true, schema: { type: 'object', properties: { hostPort: text } } },
      { name: 'v2', storage: false, schema: { type: 'object', properties: { host: text, port: text } } },
    ],
    conversion: {
      strategy: 'Webhook',
      webhook: { conversionReviewVersions: ['v1', 'v1beta1'], clientConfig: f.clientConfig('/crdconvert') },
    },
  })

const shape = ({ apiVersion, hostPort, host, port }: Json) => [apiVersion.split('/')[1], hostPort, host, port]

conformance('should be able to convert from CR v1 to CR v2', async () => {
  const { path, object, remove } = await defined('converteds')
  await f.ok('POST', path('v1'), object('cr-instance-1', { hostPort: 'localhost:8080' }))
  assert.deepEqual(shape(await f.ok('GET', path('v2', 'cr-instance-1'))), ['v2', undefined, 'localhost', '8080'])
  await remove()
})

conformance('should be able to convert a non homogeneous list of CRs', async () => {
  const { path, object, definition, remove } = await defined('mixeds')
  await f.ok('POST', path('v1'), object('cr-instance-1', { hostPort: 'localhost:8080' }))
  const versions = definition.spec.versions.map((version) => ({ ...version, storage: version.name === 'v2' }))
  await f.ok('PATCH merge-patch+json', `${DEFINITIONS}/${definition.metadata.name}`, { spec: { versions } })
  await f.ok('POST', path('v2'), object('cr-instance-2', { host: 'localhost', port: '8081' }, 'v2'))
  const listed = async (version: string) => (await f.ok('GET', path(version)))['items'].map(shape)
  assert.deepEqual(await listed('v1'), [
    ['v1', 'localhost:8080', undefined, undefined],
    ['v1', 'localhost:8081', undefined, undefined],
  ])
  assert.deepEqual(await listed('v2'), [
    ['v2', undefined, 'localhost', '8080'],
    ['v2', undefined, 'localhost', '8081'],
  ])
  await remove()
})
