import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import { victimOf } from './pressure.ts'
import { Room, type RoomFacts } from './room.ts'

const node = (more: Partial<RoomFacts> = {}): RoomFacts => ({
  name: 'n',
  labels: { zone: 'a' },
  taints: [],
  allocatable: { cpu: '2', memory: '4Gi', pods: '3', 'example.com/disk': '1' },
  pressure: { memory: false, disk: false, pid: false },
  ...more,
})
const pod = (uid: string, requests: Record<string, string> = {}, spec: object = {}): Pod => ({
  metadata: { uid, name: uid, namespace: 'default' },
  spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i', resources: { requests } }], ...spec },
})
const reasonOf = (room: Room, one: Pod, facts = node()) => room.take(one, facts)?.reason

test('Room refuses what does not fit beside the others, with the words of a kubelet', () => {
  const room = new Room()
  assert.equal(room.take(pod('a', { cpu: '1500m' }), node()), undefined)
  assert.deepEqual(room.take(pod('b', { cpu: '600m' }), node()), {
    reason: 'OutOfcpu',
    message: "Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000",
  })
  assert.equal(reasonOf(room, pod('c', { memory: '5Gi' })), 'OutOfmemory')
  assert.equal(reasonOf(room, pod('d', { 'example.com/disk': '2' })), 'OutOfexample.com/disk')
  // Of no node: the cluster's own, or devices'.
  assert.equal(reasonOf(room, pod('e', { 'example.com/gpu': '2' })), undefined)
  assert.equal(reasonOf(room, pod('f', {}, { nodeSelector: { zone: 'b' } })), 'NodeAffinity')
  assert.equal(reasonOf(room, pod('g'), node({ taints: [{ key: 'k', effect: 'NoExecute' }] })), 'TaintToleration')
  assert.equal(reasonOf(room, pod('h', {}, { os: { name: 'windows' } })), 'PodOSNotSupported')
  assert.equal(reasonOf(room, pod('i', { cpu: '500m' })), undefined)
  assert.equal(reasonOf(room, pod('j')), 'OutOfpods')
})

test('Room gives places back, also of pods that ask for something else now', () => {
  const room = new Room()
  const full = () => reasonOf(room, pod('new', { cpu: '1' }))
  room.hold(pod('a', { cpu: '2' }))
  assert.equal(full(), 'OutOfcpu')
  room.hold(pod('a', { cpu: '1' }))
  assert.equal(full(), undefined)
  room.free({ uid: 'new', node: 'n' })
  room.free({ uid: 'new', node: 'n' })
  assert.equal(reasonOf(room, pod('b', { cpu: '1001m' })), 'OutOfcpu')
})

const pressures = [
  { short: { memory: true, disk: false, pid: false }, best: 'Evicted', burst: undefined, critical: undefined, tolerant: undefined },
  { short: { memory: false, disk: true, pid: false }, best: 'Evicted', burst: 'Evicted', critical: undefined, tolerant: 'Evicted' },
  { short: { memory: true, disk: false, pid: true }, best: 'Evicted', burst: 'Evicted', critical: undefined, tolerant: 'Evicted' },
]
for (const { short, ...expected } of pressures)
  test(`Room of a node short of ${JSON.stringify(short)} takes what a kubelet takes`, () => {
    const facts = node({ pressure: short, allocatable: { cpu: '2', memory: '1Gi', pods: '10' } })
    const tolerations = [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' }]
    const room = new Room()
    const got = {
      best: reasonOf(room, pod('a'), facts),
      burst: reasonOf(room, pod('b', { cpu: '1m' }), facts),
      critical: reasonOf(room, pod('c', {}, { priority: 2_000_000_000 }), facts),
      tolerant: reasonOf(room, pod('d', {}, { tolerations }), facts),
    }
    assert.deepEqual(got, expected)
  })

test('victimOf ends first what uses more than it asked for, the least important, the furthest over', () => {
  const annotated = (one: Pod, memory: string): Pod => ({
    ...one,
    metadata: { ...one.metadata, annotations: { 'sampan.dev/usage-memory': memory } },
  })
  let left = [
    pod('guarded', { memory: '1Gi' }),
    annotated(pod('greedy', { memory: '100Mi' }), '300Mi'),
    annotated(pod('greedier', { memory: '100Mi' }), '400Mi'),
    pod('best-effort'),
    annotated(pod('dear', { memory: '1Mi' }, { priority: 5 }), '2Gi'),
    pod('critical', {}, { priority: 2_000_000_000 }),
    { ...pod('going'), metadata: { uid: 'going', name: 'going', deletionTimestamp: '2026-01-01T00:00:00Z' } },
  ]
  const order: string[] = []
  const messages: string[] = []
  for (let next = victimOf(left, 'memory'); next; next = victimOf(left, 'memory')) {
    const { pod: gone, message } = next
    order.push(gone.metadata!.name!)
    messages.push(message)
    left = left.filter((one) => one !== gone)
  }
  assert.deepEqual(order, ['greedier', 'greedy', 'best-effort', 'dear', 'guarded'])
  assert.equal(
    messages[0],
    'The node was low on resource: memory. Container c was using 409600Ki, request is 100Mi, has larger consumption of memory. ',
  )
  assert.equal(messages[4], 'The node was low on resource: memory. ')
})
