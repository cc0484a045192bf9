import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import { selectorOf } from '#api/label-selector.ts'
import { seededRandom } from '#lib/random.ts'
import { NominatedPods } from './nominations.ts'
import type { NodeInfo } from './node-info.ts'
import { filtersFor, placePod, refusalOf, totalScores } from './place.ts'
import { podInfoOf } from './pod-info.ts'
import { defaultProfile } from './profile.ts'
import { pickerOf } from './scenes.ts'
import { clusterOf, nodeOf, podOf } from './testing.ts'

const profile = defaultProfile()
const nominations = new NominatedPods()
const ZONE = 'topology.kubernetes.io/zone'

test('ShapeIndex finds the nodes that rating every one of them ranks first, for pods of services and workloads too', () => {
  let answered = 0
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed)
    const pick = pickerOf(random)
    const zones = pick([[''], ['x'], ['x', 'y', 'z', '']])
    const node = (name: string) => {
      const zone = pick(zones)
      const made = nodeOf(name, { cpu: pick(['2', '4', '8']), pods: pick(['4', '110']), labels: zone ? { [ZONE]: zone } : {} })
      if (pick([1, 2, 3, 4, 5, 6, 7, 8]) === 1) delete made.metadata!.labels!['kubernetes.io/hostname']
      return made
    }
    const cluster = clusterOf(Array.from({ length: 110 }, (_, i) => node(`n${i}`)))
    cluster.siblingsOf = ({ metadata }) => (metadata?.labels?.alone ? undefined : selectorOf({ matchLabels: metadata!.labels! }))
    const there: Pod[] = []
    for (let i = 0; i < 250; i++) {
      const labels: Record<string, string> = pick([{ app: 'web' }, { app: 'db' }, { alone: 'yes' }])
      const info = podInfoOf(podOf(`p${i}`, { cpu: pick(['100m', '1']), labels }))
      const placement = placePod(info, cluster, { profile, random, nominations, start: i })
      assert.ok('node' in placement, `seed ${seed}, pod ${i} has a node`)
      // The index examines none.
      if (placement.examined === 0) {
        answered++
        const asked = filtersFor(info, cluster, profile)
        assert.ok('filters' in asked)
        const feasible = cluster.nodes.filter((one) => !refusalOf(info, one, asked.filters, nominations))
        const totals = totalScores(feasible, info, { profile, cluster })
        const highest = Math.max(...totals)
        const first = feasible.filter((_, k) => totals[k] === highest).map(({ name }) => name)
        assert.ok(first.includes(placement.node.name), `seed ${seed}, pod ${i}: ${placement.node.name}, not ${first.join()}`)
      }
      cluster.assume(info, placement.node.name)
      there.push(info.pod)
      const change = pick(['none', 'none', 'pod', 'node'])
      if (change === 'pod') cluster.removePod(there.splice(Math.floor(random.float() * there.length), 1)[0]!.metadata!.uid!)
      if (change === 'node') cluster.setNode(node(pick(cluster.nodes).name))
    }
  }
  assert.ok(answered > 2500, `the index answered ${answered} times`)
})

test('ShapeIndex gives each of the best nodes its turn', () => {
  const cluster = clusterOf(Array.from({ length: 120 }, (_, i) => nodeOf(`n${i}`)))
  cluster.siblingsOf = ({ metadata }) => selectorOf({ matchLabels: metadata!.labels! })
  const random = seededRandom(1)
  const taken = new Map<NodeInfo, number>()
  for (let i = 0; i < 361; i++) {
    const info = podInfoOf(podOf(`p${i}`, { cpu: '1m', labels: { app: 'web' } }))
    const placement = placePod(info, cluster, { profile, random, nominations, start: i })
    assert.ok('node' in placement)
    cluster.assume(info, placement.node.name)
    taken.set(placement.node, (taken.get(placement.node) ?? 0) + 1)
  }
  assert.deepEqual([taken.size, Math.min(...taken.values()), Math.max(...taken.values())], [120, 3, 4])
})
