import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { defineKind } from '#api/define-kind.ts'
import type { KubeObject } from '#api/object.ts'
import { APIService } from '#api/kinds/apiregistration/api-service.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { Service } from '#api/kinds/core/service.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { systemRandom } from '#lib/random.ts'
import { startAll } from '#lib/service.ts'
import { GROUP, VERSION } from '#server/aggregation/testing.ts'
import { inScope, usageOf } from '#server/admission/quota-usage.ts'
import { eventually, extended, NAME } from '#server/aggregation/testing-cluster.ts'
import { controllerServices } from './controllers.ts'

const Flunder = defineKind<KubeObject>({ group: GROUP, version: VERSION, kind: 'Flunder', plural: 'flunders', scope: 'Namespaced' })
const WANTED = ['informers', 'controller-accounts', 'namespace-controller', 'garbage-collector-controller', 'resourcequota-controller']

async function controlled(t: TestContext) {
  const made = await extended(t)
  await made.register()
  const services = controllerServices({
    clientFor: (user) => made.server.clientFor(user),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    rootCa: 'CERTIFICATE',
    quotaMeter: { usageOf, inScope },
  })
  const own = services.filter(({ name }) => WANTED.includes(name))
  assert.equal(own.length, WANTED.length, services.map(({ name }) => name).join())
  const running = await startAll(own, { signal: new AbortController().signal, monotonic: () => 0 })
  t.after(() => running[Symbol.asyncDispose]())
  return made
}

test('garbage-collector and clients of this process reach objects of other servers', async (t) => {
  const { client } = await controlled(t)
  const owner = await client.create<ConfigMap>(ConfigMap, { metadata: { name: 'owner', namespace: 'default' } })
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata!.uid! }]
  await client.create(Flunder, { metadata: { name: 'owned', namespace: 'default', ownerReferences } })
  await client.create(Flunder, { metadata: { name: 'free', namespace: 'default' } })
  assert.equal((await client.list(Flunder, { namespace: 'default' })).items.length, 2)
  await client.delete(ConfigMap, { name: 'owner', namespace: 'default' })
  const owned = { name: 'owned', namespace: 'default' }
  await eventually(() => assert.rejects(client.get(Flunder, owned), { reason: 'NotFound' }))
  assert.equal((await client.get(Flunder, { ...owned, name: 'free' })).metadata!.name, 'free')
})

test('namespace-controller empties other servers too, and waits for those that do not answer', async (t) => {
  const { client, server, extension } = await controlled(t)
  const conditions = async () => {
    const { status } = await client.get(Namespace, { name: 'doomed' })
    return status?.conditions?.find(({ type }) => type === 'NamespaceDeletionDiscoveryFailure')
  }
  await client.create(Namespace, { metadata: { name: 'doomed' } })
  await client.create(Flunder, { metadata: { name: 'f', namespace: 'doomed' } })
  extension.broken = true
  await server.writer.modify(Service, { namespace: 'default', name: 'wardle' }, (one) => void (one.metadata!.labels = { changed: 'yes' }))
  await eventually(async () => assert.equal((await client.get(APIService, { name: NAME })).status!.conditions![0]!.status, 'False'))
  await client.delete(Namespace, { name: 'doomed' })
  await eventually(async () => {
    const groupVersion = `${GROUP}/${VERSION}`
    const list = `unable to retrieve the complete list of server APIs: ${groupVersion}: stale GroupVersion discovery: ${groupVersion}`
    const { status, reason, message } = (await conditions())!
    assert.deepEqual([status, reason, message], ['True', 'DiscoveryFailed', `Discovery failed for some groups, 1 failing: ${list}`])
  })
  extension.broken = false
  await eventually(() => assert.rejects(client.get(Namespace, { name: 'doomed' }), { reason: 'NotFound' }))
  assert.equal((await client.list(Flunder, { namespace: 'doomed' })).items.length, 0)
})

test('resourcequota-controller counts objects of other servers, and keeps the count while they do not answer', async (t) => {
  const { client, server, extension } = await controlled(t)
  const name = `count/flunders.${GROUP}`
  const key = { name: 'q', namespace: 'default' }
  await client.create(Flunder, { metadata: { name: 'f', namespace: 'default' } })
  await client.create(ResourceQuota, { metadata: key, spec: { hard: { [name]: '1' } } })
  const used = async () => (await client.get(ResourceQuota, key)).status?.used?.[name]
  await eventually(async () => assert.equal(await used(), '1'))
  // Its own server decides whether there may be more.
  await client.create(Flunder, { metadata: { name: 'g', namespace: 'default' } })
  const recount = (hard: object) => client.patch(ResourceQuota, key, { type: 'merge', patch: { spec: { hard } } })
  await recount({ pods: '3' })
  await eventually(async () => assert.equal(await used(), '2'))
  extension.broken = true
  await server.writer.modify(Service, { namespace: 'default', name: 'wardle' }, (one) => void (one.metadata!.labels = { changed: 'yes' }))
  await eventually(async () => assert.equal((await client.get(APIService, { name: NAME })).status!.conditions![0]!.status, 'False'))
  await recount({ pods: '4' })
  await eventually(async () => assert.equal((await client.get(ResourceQuota, key)).status?.hard?.['pods'], '4'))
  assert.equal(await used(), '2')
})
