import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '#api/generated/types.ts'
import type { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { planSlices } from './slice-plan.ts'

const ports = [{ name: '', protocol: 'TCP', port: 80 }]
const endpoint = (n: number, ready = true): Endpoint => ({ addresses: [`10.0.0.${n}`], conditions: { ready } })
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => endpoint(from + i))
const slice = (name: string, endpoints: Endpoint[]): EndpointSlice => ({ metadata: { name }, addressType: 'IPv4', ports, endpoints })
const names = (slices: EndpointSlice[]) => slices.map(({ metadata }) => metadata?.name)

test('planSlices cuts new endpoints into slices of at most the limit', () => {
  const plan = planSlices([], [{ ports, endpoints: range(1, 7) }], { limit: 3 })
  assert.deepEqual(
    plan.create.map(({ endpoints }) => endpoints.length),
    [3, 3, 1],
  )
})

test('planSlices puts what new slices leave over where it fits', () => {
  const plan = planSlices([slice('a', range(1, 1))], [{ ports, endpoints: range(1, 6) }], { limit: 3 })
  const sizes = (all: { endpoints?: Endpoint[] | null }[]) => all.map(({ endpoints }) => endpoints?.length)
  assert.deepEqual([sizes(plan.create), sizes(plan.update)], [[3], [3]])
})

test('planSlices leaves what is right alone', () => {
  const plan = planSlices([slice('a', range(1, 3)), slice('b', range(4, 5))], [{ ports, endpoints: range(1, 5) }], { limit: 3 })
  assert.deepEqual([names(plan.keep), plan.create, plan.update, plan.delete], [['a', 'b'], [], [], []])
})

test('planSlices puts newcomers where a write is due anyway', () => {
  const plan = planSlices(
    [slice('a', range(1, 3)), slice('b', range(4, 6))],
    [{ ports, endpoints: [...range(1, 2), ...range(4, 6), endpoint(9)] }],
    { limit: 3 },
  )
  assert.deepEqual([names(plan.update), names(plan.keep), plan.create], [['a'], ['b'], []])
  assert.deepEqual(
    plan.update[0]!.endpoints!.map(({ addresses }) => addresses[0]),
    ['10.0.0.1', '10.0.0.2', '10.0.0.9'],
  )
})

test('planSlices fills the fullest of those that are written first, and none that goes', () => {
  const kept = [endpoint(1, false), endpoint(4, false), endpoint(5), endpoint(9)]
  const all = [slice('a', range(1, 1)), slice('b', range(2, 3)), slice('c', range(4, 5))]
  const plan = planSlices(all, [{ ports, endpoints: kept }], { limit: 3 })
  const sizes = plan.update.map(({ metadata, endpoints }) => [metadata?.name, endpoints!.length])
  assert.deepEqual(
    [sizes, names(plan.delete)],
    [
      [
        ['a', 1],
        ['c', 3],
      ],
      ['b'],
    ],
  )
})

test('planSlices rewrites one slice when one endpoint changes and deletes emptied ones', () => {
  const plan = planSlices([slice('a', range(1, 2)), slice('b', range(3, 3))], [{ ports, endpoints: [endpoint(1), endpoint(2, false)] }], {
    limit: 3,
  })
  assert.deepEqual([names(plan.update), names(plan.delete)], [['a'], ['b']])
})

test('planSlices keeps endpoints with other ports apart', () => {
  const other = [{ name: '', protocol: 'TCP', port: 81 }]
  const plan = planSlices(
    [slice('a', range(1, 2))],
    [
      { ports, endpoints: range(1, 1) },
      { ports: other, endpoints: range(2, 2) },
    ],
    { limit: 3 },
  )
  assert.deepEqual(names(plan.update), ['a'])
  assert.deepEqual(plan.create, [{ ports: other, endpoints: range(2, 2) }])
})
