import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Node } from '#api/kinds/core/node.ts'
import { startTestCluster } from './testing.ts'
import { nextStep, TTL_ANNOTATION } from './ttl.ts'

for (const [nodes, from, to] of [
  [1, 0, 0],
  [100, 0, 0],
  [101, 0, 1],
  [95, 1, 1],
  [89, 1, 0],
  [501, 1, 2],
  [1001, 0, 3],
  [2001, 3, 4],
  [1900, 4, 4],
  [1799, 4, 3],
  [10, 4, 0],
] as const) {
  test(`nextStep ${nodes} nodes from step ${from} make step ${to}`, () => assert.equal(nextStep(nodes, from), to))
}

test('ttlController annotates a new node at once, and all others within five minutes when the cluster outgrows a step, and shrinks below it', async (t) => {
  const { client, eventually, advance } = await startTestCluster(t, { only: ['ttl-controller'] })
  const add = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from }, (_, index) =>
        client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: `n${from + index}` } }),
      ),
    )
  const all = (ttl: string) =>
    eventually(async () => {
      const { items } = await client.list(Node)
      return items.every(({ metadata }) => metadata?.annotations?.[TTL_ANNOTATION] === ttl)
    })
  await add(0, 100)
  await all('0')
  await add(100, 101)
  await eventually(async () => (await client.get(Node, { name: 'n100' })).metadata?.annotations?.[TTL_ANNOTATION] === '15')
  assert.equal((await client.get(Node, { name: 'n0' })).metadata?.annotations?.[TTL_ANNOTATION], '0')
  await advance(5 * 60_000)
  await all('15')
  for (let index = 0; index < 12; index++) await client.delete(Node, { name: `n${index}` })
  await advance(5 * 60_000 + 1000)
  await all('0')
})
