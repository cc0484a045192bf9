import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { Node } from '#api/kinds/core/node.ts'
import type { Client } from '#client/client.ts'
import { silentLogger } from '#lib/log.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { until } from '#node/testing.ts'
import { startTestServer } from '#server/testing.ts'
import { claimNames, firstSubnetFor } from './joining.ts'

const never = new AbortController().signal

async function world() {
  const clock = createVirtualClock()
  const server = await startTestServer({ clock })
  const { client } = server
  const lost: string[] = []
  const claim = (identity: string, isGone: (identity: string) => boolean = () => false) =>
    claimNames(
      { client, clock, log: silentLogger, namePrefix: 'web', identity, isGone, onLost: (holder) => lost.push(`${identity} to ${holder}`) },
      never,
    )
  const holder = async () => (await client.get(Lease, { namespace: 'kube-system', name: 'simulated-nodes.web' })).spec?.holderIdentity
  /** While time goes by. */
  const during = async <T>(work: Promise<T>): Promise<T> => {
    const state = { done: false }
    void work.catch(() => {}).finally(() => (state.done = true))
    await until(async () => {
      if (!state.done) await clock.advance(500)
      return state.done
    })
    return work
  }
  return { clock, client, claim, lost, holder, during, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

test('claimNames refuses names of a process that lives, and gives them to the next once they are given back', async () => {
  await using t = await world()
  const first = await t.claim('one')
  await assert.rejects(
    t.during(t.claim('two')),
    /nodes named web-0 and so on are simulated by another process \(one\): choose another --name-prefix/,
  )
  assert.equal(await t.holder(), 'one')
  await first[Symbol.asyncDispose]()
  assert.equal(await t.holder(), '')
  await using _second = await t.claim('two')
  assert.equal(await t.holder(), 'two')
})

test('claimNames takes over from a process that has died: at once where that is known, else after its patience', async () => {
  await using t = await world()
  const spec = { holderIdentity: 'dead', leaseDurationSeconds: 20, renewTime: '2026-01-01T00:00:00.000000Z' }
  await t.client.create(Lease, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace: 'kube-system', name: 'simulated-nodes.web' },
    spec,
  })
  const before = t.clock.now()
  await using _next = await t.during(t.claim('two'))
  assert.ok(t.clock.now() - before >= 20_000)
  const now = t.clock.now()
  await using _known = await t.claim('three', (identity) => identity === 'two')
  assert.deepEqual([await t.holder(), t.clock.now()], ['three', now])
})

test('claimNames tells who was held up for too long, once, and leaves the names to who has them now', async () => {
  await using t = await world()
  const first = await t.claim('one')
  await using _second = await t.claim('two', (identity) => identity === 'one')
  assert.deepEqual(t.lost, [])
  await t.clock.advance(30_000)
  assert.deepEqual(t.lost, ['one to two'])
  await first[Symbol.asyncDispose]()
  assert.equal(await t.holder(), 'two')
})

test('claimNames waits for no lease that others touch and nobody renews', async () => {
  await using t = await world()
  const key = { namespace: 'kube-system', name: 'simulated-nodes.web' }
  const spec = { holderIdentity: 'dead', leaseDurationSeconds: 20, renewTime: '2026-01-01T00:00:00.000000Z' }
  await t.client.create(Lease, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: key, spec })
  const labelling = t.clock.every(3000, () => {
    void t.client.patch(Lease, key, { type: 'merge', patch: { metadata: { labels: { touched: String(t.clock.now()) } } } })
  })
  await using _next = await t.during(t.claim('two'))
  labelling.cancel()
  assert.equal(await t.holder(), 'two')
})

test('firstSubnetFor finds room beside others, comes back to where it was, and refuses by name', async () => {
  await using t = await world()
  const node = (client: Client, name: string, podCIDR: string) =>
    client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { podCIDR, podCIDRs: [podCIDR] } })
  await node(t.client, 'real', '10.244.0.0/24')
  await node(t.client, 'other', '10.244.3.0/24')
  const first = (names: string[], wanted?: number) => firstSubnetFor(names, { client: t.client, wanted })
  assert.equal(await first(['web-0', 'web-1']), 1)
  assert.equal(await first(['web-0', 'web-1', 'web-2']), 4)
  assert.equal(await first(['web-0'], 9), 9)
  await assert.rejects(
    first(['web-0', 'web-1'], 2),
    /the range 10\.244\.3\.0\/24 of web-1 is that of node other: choose another --first-subnet, or none/,
  )
  await node(t.client, 'web-0', '10.244.7.0/24')
  assert.equal(await first(['web-0', 'web-1']), 7)
})
