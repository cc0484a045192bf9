import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { seededRandom } from '#lib/random.ts'
import { defaultProfile } from '#scheduler/profile.ts'
import { type PodInfo, podInfoOf } from '#scheduler/pod-info.ts'
import { nodeOf, podOf, type PodShape } from '#scheduler/testing.ts'
import { Heap } from '#lib/heap.ts'
import { SchedulingQueue } from './scheduling-queue.ts'

function queueOf(t: { after(task: () => void): void }) {
  const clock = createVirtualClock()
  const plugins = defaultProfile().plugins.map(({ plugin }) => plugin)
  const isGated = ({ pod }: PodInfo) => Boolean(pod.spec?.schedulingGates?.length)
  const queue = new SchedulingQueue({ clock, pluginsOf: () => plugins, isGated, wake: () => {} })
  t.after(() => queue[Symbol.dispose]())
  const add = (name: string, shape?: PodShape) => queue.set(podInfoOf(podOf(name, shape)))
  const take = () => queue.take()?.info.pod.metadata!.name
  return { clock, queue, add, take }
}

const gone = (name: string) => ({ type: 'pod gone', pod: podOf(name) }) as const

test('Heap agrees with sorting', () => {
  const random = seededRandom(3)
  const heap = new Heap<number>((a, b) => a < b)
  const numbers = Array.from({ length: 500 }, () => Math.floor(random.float() * 100))
  for (const number of numbers) heap.push(number)
  assert.deepEqual(
    Array.from({ length: 500 }, () => heap.pop()),
    numbers.toSorted((a, b) => a - b),
  )
  assert.equal(heap.pop(), undefined)
})

test('SchedulingQueue takes by priority, then by age', (t) => {
  const { add, take } = queueOf(t)
  add('a')
  add('b')
  add('high', { priority: 10 })
  assert.deepEqual([take(), take(), take(), take()], ['high', 'a', 'b', undefined])
})

test('SchedulingQueue follows a raised priority', (t) => {
  const { add, take } = queueOf(t)
  add('a')
  add('b')
  add('b', { priority: 1 })
  assert.deepEqual([take(), take(), take()], ['b', 'a', undefined])
})

test('SchedulingQueue keeps refused pods until something helps', async (t) => {
  const { queue, add, take, clock } = queueOf(t)
  add('a')
  const queued = queue.take()!
  queue.refused(queued, new Set(['NodeResourcesFit']))
  assert.equal(take(), undefined)
  queue.changed({ type: 'node', node: nodeOf('n', { labels: { x: 'y' } }), previous: nodeOf('n') })
  assert.equal(queue.waiting.refused, 1)
  queue.changed(gone('other'))
  // With nothing else to do it need not sit out its backoff.
  assert.equal(queue.waiting.backoff, 1)
  assert.equal(take(), 'a')
  await clock.advance(60_000)
  assert.equal(take(), undefined)
})

test('SchedulingQueue wakes pods without any node when one comes', (t) => {
  const { queue, add, take } = queueOf(t)
  add('a')
  queue.refused(queue.take()!, new Set())
  queue.changed(gone('other'))
  assert.equal(take(), undefined)
  queue.changed({ type: 'node', node: nodeOf('n') })
  assert.equal(take(), 'a')
})

test('SchedulingQueue doubles the backoff of errors from one to ten seconds', async (t) => {
  const { queue, add, clock } = queueOf(t)
  add('a')
  for (const seconds of [1, 2, 4, 8, 10, 10]) {
    queue.failed(queue.take()!)
    await clock.advance(seconds * 1000 - 1)
    assert.equal(queue.take(), undefined, `before ${seconds} s`)
    await clock.advance(1)
    assert.equal(queue.waiting.active, 1, `after ${seconds} s`)
  }
})

test('SchedulingQueue lets a pod that was refused often back off from its first error for a second only', async (t) => {
  const { queue, add, take, clock } = queueOf(t)
  const refuse = async () => {
    queue.refused(queue.take()!, new Set(['NodeResourcesFit']))
    await clock.advance(20_000)
    queue.changed(gone('other'))
  }
  add('a')
  for (let i = 0; i < 4; i++) await refuse()
  queue.failed(queue.take()!)
  await clock.advance(999)
  assert.equal(take(), undefined)
  await clock.advance(1)
  assert.equal(take(), 'a')
})

test('SchedulingQueue tries refused pods again after five minutes at most', async (t) => {
  const { queue, add, clock } = queueOf(t)
  add('a')
  queue.refused(queue.take()!, new Set(['NodeAffinity']))
  await clock.advance(5 * 60_000)
  assert.equal(queue.waiting.refused, 1)
  await clock.advance(31_000)
  assert.equal(queue.waiting.refused, 0)
  assert.ok(queue.take())
})

test('SchedulingQueue holds gated pods', (t) => {
  const { queue, add, take } = queueOf(t)
  add('a', { schedulingGates: [{ name: 'g' }] })
  queue.changed({ type: 'node', node: nodeOf('n') })
  assert.equal(take(), undefined)
  add('a')
  assert.equal(take(), 'a')
})

test('SchedulingQueue retries a pod that changed in what it was refused for, and only then', (t) => {
  const { queue, add, take } = queueOf(t)
  add('a')
  queue.refused(queue.take()!, new Set(['TaintToleration']))
  add('a', { status: { phase: 'Pending' } })
  assert.equal(take(), undefined)
  add('a', { tolerations: [{ operator: 'Exists' }] })
  assert.equal(take(), 'a')
})

test('SchedulingQueue retries a pod that changed itself while it was tried', (t) => {
  const { queue, add, take } = queueOf(t)
  add('a')
  const queued = queue.take()!
  queue.follow(queued)
  add('a', { tolerations: [{ operator: 'Exists' }] })
  queue.refused(queued, new Set(['TaintToleration']))
  assert.equal(take(), 'a')
})

test('SchedulingQueue forgets deleted pods wherever they are', async (t) => {
  const { queue, add, take, clock } = queueOf(t)
  for (const name of ['active', 'refused', 'erred']) add(name)
  for (const end of ['refused', 'failed'] as const) {
    const queued = queue.take()!
    if (end === 'refused') queue.refused(queued, new Set(['NodeResourcesFit']))
    else queue.failed(queued)
  }
  for (const name of ['active', 'refused', 'erred']) queue.delete(`uid-default-${name}`)
  queue.changed(gone('other'))
  await clock.advance(20_000)
  assert.equal(take(), undefined)
})

const refusing = (queue: SchedulingQueue, plugin = 'NodeResourcesFit') => {
  let tried = 0
  for (let queued = queue.take(); queued; queued = queue.take(), tried++) queue.refused(queued, new Set([plugin]))
  return tried
}

test('SchedulingQueue tries early, of those alike that back off, as many as find room, again after each change, and all in time', async (t) => {
  const { clock, queue, add, take } = queueOf(t)
  for (let i = 0; i < 500; i++) add(`p${i}`)
  add('smaller', { cpu: '1' })
  assert.equal(refusing(queue), 501)
  queue.changed(gone('other'))
  assert.equal(refusing(queue), 2, 'one of each kind')
  queue.changed(gone('other'))
  // Who finds room costs nobody else his turn.
  assert.deepEqual([take(), take()], ['p1', 'p2'])
  assert.equal(refusing(queue), 2)
  assert.equal(refusing(queue), 0)
  await clock.advance(2000)
  assert.equal(refusing(queue), 497, 'all but those placed, and those refused since')
})

test('SchedulingQueue tries early whoever differs in anything a node is asked for', (t) => {
  const { queue, add } = queueOf(t)
  const shapes: PodShape[] = [
    {},
    { memory: '1Gi' },
    { labels: { a: 'b' } },
    { namespace: 'other' },
    { priority: 1 },
    { nodeSelector: { a: 'b' } },
    { tolerations: [{ operator: 'Exists' }] },
    { hostNetwork: true },
    { containers: [{ name: 'c', ports: [{ containerPort: 1, hostPort: 1 }] }] },
    { containers: [{ name: 'c', resources: { requests: { 'example.com/x': '1' } } }] },
  ]
  for (const [i, shape] of shapes.entries()) for (const twin of ['a', 'b']) add(`${twin}${i}`, shape)
  add('claims', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] })
  assert.equal(refusing(queue), 2 * shapes.length + 1)
  queue.changed({ type: 'node', node: nodeOf('n') })
  assert.equal(refusing(queue), shapes.length + 1)
})

test('SchedulingQueue goes on with those alike where one has others make room for it', (t) => {
  const { queue, add, take } = queueOf(t)
  for (const name of ['a', 'b', 'c']) add(name)
  assert.equal(refusing(queue), 3)
  queue.changed(gone('other'))
  queue.refused(queue.take()!, new Set(['NodeResourcesFit']), { promised: true })
  assert.equal(take(), 'b')
})

test('SchedulingQueue holds a pod while others are evicted for it, and makes up for what it missed', async (t) => {
  const { queue, add, take, clock } = queueOf(t)
  for (const [title, change, failed, expected] of [
    ['nothing happened', undefined, false, undefined],
    ['a victim left', gone('other'), false, 'p'],
    ['nobody could be evicted', undefined, true, 'p'],
  ] as const) {
    add('p')
    const queued = queue.take()!
    queue.refused(queued, new Set(['NodeResourcesFit']), { promised: true })
    queue.hold(queued.info.uid)
    if (change) queue.changed(change)
    await clock.advance(20_000)
    assert.equal(take(), undefined, title)
    assert.equal(queue.waiting.refused, 1, title)
    queue.unhold(queued.info.uid, { failed })
    assert.equal(take(), expected, title)
    queue.delete(queued.info.uid)
  }
})

test('SchedulingQueue wakes for a promise that ends none but those it stood in the way of', (t) => {
  const { queue, add } = queueOf(t)
  for (const priority of [1, 5, 9]) add(`p${priority}`, { priority })
  assert.equal(refusing(queue), 3)
  queue.changed({ ...gone('other'), priority: 5 })
  assert.equal(queue.waiting.refused, 1)
})

test('SchedulingQueue tells what changed while a pod is being tried, until it is settled', (t) => {
  const { queue, add } = queueOf(t)
  add('slow')
  const queued = queue.take()!
  queue.follow(queued)
  queue.changed(gone('a'))
  queue.changed(gone('b'))
  assert.deepEqual([...queue.missed], [['AssignedPodDelete', 2]])
  queue.done(queued)
  assert.deepEqual([...queue.missed], [])
})
