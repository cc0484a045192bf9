import assert from 'node:assert/strict'
import test from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import { formatTime } from '#lib/clock.ts'
import { type MetricsByPod, requestsOf } from './pod-groups.ts'
import { replicasForAverage, replicasForShare, replicasForUtilization, replicasForValue, type Situation } from './replica-calculation.ts'

const NOW = Date.UTC(2026, 0, 1)
const MINUTE = 60_000

interface PodCase {
  /** Thousandths used; absent: nobody knows. */
  uses?: number
  requests?: string
  phase?: string
  ready?: boolean
  /** Milliseconds before now. */
  startedAgo?: number
  readyChangedAgo?: number
  deleted?: boolean
}

function pod(name: string, { requests = '1', phase = 'Running', ready = true, ...times }: PodCase): Pod {
  const { startedAgo = 60 * MINUTE, readyChangedAgo = 59 * MINUTE, deleted = false } = times
  return {
    metadata: { name, namespace: 'test', ...(deleted ? { deletionTimestamp: formatTime(NOW) } : {}) },
    spec: { containers: [{ name: 'main', ...(requests === '' ? {} : { resources: { requests: { cpu: requests } } }) }] },
    status: {
      phase,
      startTime: formatTime(NOW - startedAgo),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: formatTime(NOW - readyChangedAgo) }],
    },
  }
}

function situation(pods: readonly PodCase[], options: Partial<Situation> = {}): { situation: Situation; metrics: MetricsByPod } {
  const metrics: MetricsByPod = new Map()
  for (const [at, { uses }] of pods.entries())
    if (uses !== undefined) metrics.set(`pod-${at}`, { value: uses, timestamp: NOW, windowMs: MINUTE })
  const all = pods.map((one, at) => pod(`pod-${at}`, one))
  return { situation: { replicas: pods.length, pods: all, tolerances: { up: 0.1, down: 0.1 }, now: NOW, ...options }, metrics }
}

const using = (...amounts: number[]): PodCase[] => amounts.map((uses) => ({ uses }))
const STARTING = { startedAgo: MINUTE / 2, readyChangedAgo: MINUTE / 2, ready: false }

const UTILIZATION: [title: string, pods: PodCase[], target: number, wanted: number][] = [
  ['grows by the share it is over', using(300, 500, 700), 30, 5],
  ['shrinks by the share it is under', using(100, 300, 500, 250, 250), 50, 3],
  ['stays within the tolerance above', using(1010, 1030, 1020), 100, 3],
  ['stays within the tolerance below', using(950, 900, 930), 100, 3],
  ['reckons with what is requested in all', [{ uses: 500 }, { uses: 500, requests: '3' }], 50, 1],
  ['counts a starting pod as idle when growing', [...using(500, 700), { ...STARTING, uses: 900 }], 30, 4],
  ['does not grow for what starting pods use', [...using(900), { ...STARTING, uses: 1000 }, { ...STARTING, uses: 1000 }], 80, 3],
  ['leaves pending pods out when shrinking', [...using(200, 200, 200), { phase: 'Pending' }], 50, 2],
  ['counts missing pods as idle when growing', [...using(500, 700), {}], 30, 4],
  ['stays when missing pods would turn it round', [...using(1000, 1000), {}, {}], 90, 4],
  ['counts missing pods as full when shrinking', [...using(100, 100, 100), {}, {}], 60, 4],
  ['counts missing pods as on target when the target is more than all', [...using(100, 100), {}], 150, 2],
  ['ignores failed and deleted pods', [...using(900, 900), { phase: 'Failed' }, { uses: 0, deleted: true }], 90, 4],
  [
    'ignores a pod that has never been ready',
    [...using(900), { uses: 0, ready: false, startedAgo: 10 * MINUTE, readyChangedAgo: 10 * MINUTE }],
    50,
    2,
  ],
  ['counts a pod that was ready before', [...using(900), { uses: 900, ready: false, readyChangedAgo: 5 * MINUTE }], 50, 4],
]

for (const [title, pods, target, wanted] of UTILIZATION)
  test(`replicasForUtilization ${title}`, () => {
    const { situation: given, metrics } = situation(pods)
    assert.equal(replicasForUtilization(given, metrics, { resource: 'cpu', container: '', target }).replicas, wanted)
  })

const AVERAGE: [title: string, pods: PodCase[], target: number, wanted: number][] = [
  ['grows by the share it is over', using(20_000, 10_000, 30_000), 15_000, 4],
  ['shrinks by the share it is under', using(12_000, 12_000, 12_000, 12_000, 12_000), 20_000, 3],
  ['stays within the tolerance', using(20_100, 20_050, 20_010), 20_000, 3],
  ['does not care that a pod starts', [...using(20_000, 10_000), { ...STARTING, uses: 30_000 }], 15_000, 4],
  ['counts missing pods as nothing when growing', [...using(40_000, 40_000), {}], 20_000, 4],
  ['leaves missing pods out on target', [...using(15_000, 15_000, 15_000), {}], 15_000, 4],
  ['counts missing pods as on target when shrinking', [...using(5_000, 5_000, 5_000), {}], 15_000, 2],
]

for (const [title, pods, target, wanted] of AVERAGE)
  test(`replicasForAverage ${title}`, () => {
    const { situation: given, metrics } = situation(pods)
    assert.equal(replicasForAverage(given, metrics, { resource: '', target }).replicas, wanted)
  })

test('replicasForUtilization tells what is used, in percent and per pod', () => {
  const { situation: given, metrics } = situation(using(300, 500, 700))
  const rules = { resource: 'cpu', container: '', target: 30 }
  assert.deepEqual(replicasForUtilization(given, metrics, rules), { replicas: 5, utilization: 50, usage: 500 })
})

const REFUSED: [why: RegExp, pods: PodCase[]][] = [
  [/^no pods returned by selector while calculating replica count$/, []],
  [/^did not receive metrics for targeted pods \(pods might be unready\)$/, [{}]],
  [/^missing request for cpu in container main of Pod pod-1$/, [{ uses: 1 }, { uses: 1, requests: '' }]],
]

for (const [why, pods] of REFUSED)
  test(`replicasForUtilization refuses with ${why.source}`, () => {
    const { situation: given, metrics } = situation(pods)
    assert.throws(() => replicasForUtilization(given, metrics, { resource: 'cpu', container: '', target: 50 }), { message: why })
  })

const ofPod = (spec: Partial<Pod['spec']>): Pod[] => [{ metadata: { name: 'p' }, spec: { containers: [], ...spec } } as Pod]
const asking = (name: string, requests: Record<string, string>) => ({ name, resources: { requests } })
const REQUESTS: [title: string, spec: Partial<Pod['spec']>, container: string, wanted: number | string][] = [
  ['of all containers', { containers: [asking('a', { cpu: '1' }), asking('b', { cpu: '2' })] }, '', 3000],
  ['of one', { containers: [asking('a', { cpu: '1' }), asking('b', {})] }, 'a', 1000],
  ['of one that is not there', { containers: [asking('a', { cpu: '1' })] }, 'x', 'container x not found in Pod p'],
  ['of one that asks for nothing', { containers: [asking('a', {})] }, 'a', 'missing request for cpu in container a of Pod p'],
  [
    'with sidecars but no init containers',
    {
      containers: [asking('a', { cpu: '1' })],
      initContainers: [{ ...asking('s', { cpu: '1' }), restartPolicy: 'Always' }, asking('i', { cpu: '9' })],
    },
    '',
    2000,
  ],
  [
    'of the pod itself, with its overhead',
    { containers: [asking('a', {})], resources: { requests: { cpu: '2' } }, overhead: { cpu: '100m' } },
    '',
    2100,
  ],
  [
    'of a pod that asks for something else itself',
    {
      containers: [asking('a', { cpu: '1' }), asking('b', {})],
      initContainers: [asking('i', { cpu: '3' })],
      resources: { requests: { memory: '1Gi' } },
    },
    '',
    3000,
  ],
  [
    'of a pod that asks for something else alone',
    { containers: [asking('a', {})], resources: { requests: { memory: '1Gi' } } },
    '',
    'missing pod-level request for cpu in Pod p',
  ],
  [
    'of one container of a pod that asks itself',
    { containers: [asking('a', { cpu: '1' })], resources: { requests: { cpu: '2' } } },
    'a',
    1000,
  ],
]

for (const [title, spec, container, wanted] of REQUESTS)
  test(`requestsOf adds up what is requested ${title}`, () => {
    const read = () => requestsOf(ofPod(spec), 'cpu', container).get('p')
    if (typeof wanted === 'string') assert.throws(read, { message: wanted })
    else assert.equal(read(), wanted)
  })

test('replicasForUtilization has a tolerance for each direction', () => {
  const tolerances = { up: 0.5, down: 0.01 }
  const of = (...amounts: number[]) => {
    const { situation: given, metrics } = situation(using(...amounts), { tolerances })
    return replicasForUtilization(given, metrics, { resource: 'cpu', container: '', target: 50 }).replicas
  }
  assert.deepEqual([of(740, 740), of(760, 760), of(490, 490, 490), of(330, 330, 330)], [2, 4, 3, 2])
})

test('replicasForValue goes by ready pods, and from none by the value alone', () => {
  const { situation: given } = situation([{}, {}, {}, { ready: false }])
  const of = (usage: number, replicas = 4) => replicasForValue({ ...given, replicas }, usage, 100).replicas
  assert.deepEqual([of(200), of(105), of(50), of(250, 0), of(0, 0)], [6, 4, 2, 3, 0])
})

test('replicasForShare divides the value among replicas', () => {
  const of = (usage: number, replicas = 3) => replicasForShare({ replicas, tolerances: { up: 0.1, down: 0.1 } }, usage, 100)
  assert.deepEqual(of(950), { replicas: 10, usage: 317 })
  assert.deepEqual(of(320), { replicas: 3, usage: 107 })
  assert.deepEqual(of(50), { replicas: 1, usage: 17 })
})
