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
    metadata: { name: `${letter.toLowerCase()}${index}`, labels: { 'topology.kubernetes.io/zone': letter.toLowerCase() } },
    status: { conditions: [{ type: 'Ready', status: letter === letter.toLowerCase() ? 'False' : 'True' }] },
  }))

function paceOver(nodes: readonly Node[], clock = createVirtualClock()): EvictionPace {
  const pace = new EvictionPace(clock)
  for (const node of nodes) pace.note(node.metadata!.name!, node)
  return pace
}

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
    assert.equal(paceOver(nodes).ask(nodes[0]!).verdict, verdict)
  })
}

for (const [what, text, waitMs] of [
  ['one node in ten seconds', 'aaAAA', 10_000],
  ['one in a hundred where a large zone is disrupted', `${'a'.repeat(40)}${'A'.repeat(20)}B`, 100_000],
] as const) {
  test(`EvictionPace ask paces ${what}, each zone by itself`, async () => {
    const clock = createVirtualClock()
    const nodes = [...nodesOf(text), ...nodesOf('cCC')]
    const pace = paceOver(nodes, clock)
    assert.deepEqual(pace.ask(nodes[0]!), { verdict: 'evict' })
    assert.deepEqual(pace.ask(nodes[1]!), { verdict: 'wait', waitMs })
    assert.deepEqual(pace.ask(nodes[text.length]!), { verdict: 'evict' })
    await clock.advance(waitMs)
    assert.deepEqual(pace.ask(nodes[1]!), { verdict: 'evict' })
  })
}

const nodeOf = (name: string, zone: string, ready: boolean): Node => ({
  metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }] },
})

test('EvictionPace counts zones as nodes come, fail, move and go, and tells when verdicts may change', async () => {
  const clock = createVirtualClock()
  const pace = new EvictionPace(clock)
  const note = (name: string, zone: string, ready: boolean) => pace.note(name, nodeOf(name, zone, ready))
  for (let i = 0; i < 4; i++) note(`a${i}`, 'a', true)
  assert.equal(note('b0', 'b', true), true)
  assert.equal(note('b0', 'b', true), false)
  assert.equal(note('a0', 'a', false), false)
  assert.deepEqual(pace.ask(nodeOf('a0', 'a', false)), { verdict: 'evict' })
  assert.deepEqual(pace.ask(nodeOf('a0', 'a', false)), { verdict: 'wait', waitMs: 10_000 })
  note('a1', 'a', false)
  assert.equal(note('a2', 'a', false), true)
  await clock.advance(10_000)
  assert.deepEqual(pace.ask(nodeOf('a2', 'a', false)), { verdict: 'spare' })
  assert.equal(note('a3', 'a', false), true)
  assert.deepEqual(pace.ask(nodeOf('a2', 'a', false)), { verdict: 'evict' })
  assert.equal(note('b0', 'b', false), true)
  assert.deepEqual(pace.ask(nodeOf('b0', 'b', false)), { verdict: 'spare' })
  assert.equal(pace.note('b0', undefined), true)
  assert.equal(note('a3', 'c', true), true)
  assert.equal(pace.ask(nodeOf('a0', 'a', false)).verdict, 'wait')
})
