import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '#api/kinds/core/node.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { EvictionPace } from './zones.ts'

/** `zone`: letters are zones, capital ones ready nodes. */
const nodesOf = (text: string): Node[] =>
  [...text].map((letter, index) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `n${index}`, labels: { 'topology.kubernetes.io/zone': letter.toLowerCase() } },
    status: { conditions: [{ type: 'Ready', status: letter === letter.toLowerCase() ? 'False' : 'True' }] },
  }))

for (const [what, text, verdict] of [
  ['one lost node of a zone is evicted', 'aAAA', 'evict'],
  ['a zone lost as a whole is evicted as long as another stands', 'aaBB', 'evict'],
  ['all zones lost: nobody is evicted', 'aabb', 'spare'],
  ['more than half of a small zone lost: nobody is evicted', 'aaaAABBB', 'spare'],
  ['two lost nodes are no disruption, however small the zone', 'aaABBB', 'evict'],
  ['a bit less than 55 percent is no disruption', `${'a'.repeat(6)}${'A'.repeat(6)}B`, 'evict'],
] as const) {
  test(`EvictionPace ask ${what}`, () => {
    const nodes = nodesOf(text)
    assert.equal(new EvictionPace(createVirtualClock()).ask(nodes[0]!, nodes).verdict, verdict)
  })
}

for (const [what, text, waitMs] of [
  ['one node in ten seconds', 'aaAAA', 10_000],
  ['one in a hundred where a large zone is disrupted', `${'a'.repeat(40)}${'A'.repeat(20)}B`, 100_000],
] as const) {
  test(`EvictionPace ask paces ${what}, each zone by itself`, async () => {
    const clock = createVirtualClock()
    const pace = new EvictionPace(clock)
    const nodes = [...nodesOf(text), ...nodesOf('cCC')]
    assert.deepEqual(pace.ask(nodes[0]!, nodes), { verdict: 'evict' })
    assert.deepEqual(pace.ask(nodes[1]!, nodes), { verdict: 'wait', waitMs })
    assert.deepEqual(pace.ask(nodes[text.length]!, nodes), { verdict: 'evict' })
    await clock.advance(waitMs)
    assert.deepEqual(pace.ask(nodes[1]!, nodes), { verdict: 'evict' })
  })
}
