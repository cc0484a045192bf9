// The recorded corpus: on each scene the scheduler finds the nodes feasible that the record says, every plugin scores them as it says, and the node
// chosen is among those ranked first.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import { seededRandom } from '#lib/random.ts'
import type { Cluster } from './cluster.ts'
import { NominatedPods } from './nominations.ts'
import { filtersFor, placePod, refusalOf } from './place.ts'
import { type PodInfo, podInfoOf } from './pod-info.ts'
import { defaultProfile } from './profile.ts'
import { rank, type Ranking, type Scene } from './reference.ts'
import { clusterOver } from './testing.ts'

const records: (Scene & Ranking & { flavour: string; seed: number; pod: Pod })[] = readFileSync(
  new URL('placements.jsonl', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line))
const profile = defaultProfile()
const nominations = new NominatedPods()

/** For each node that refuses the pod, the plugin it is refused by. */
function refusalsOf(pod: PodInfo, cluster: Cluster): Map<string, string> {
  const asked = filtersFor(pod, cluster, profile)
  assert.ok('filters' in asked)
  return new Map(
    cluster.nodes.flatMap((node) => {
      const refused = refusalOf(pod, node, asked.filters, nominations)
      return refused ? [[node.name, refused.plugin] as const] : []
    }),
  )
}

const refusing = new Set<string>()
const telling = new Set<string>()
for (const { flavour, seed, nodes, pods, objects = [], pod, feasible, table, first } of records) {
  test(`placePod on the recorded scene ${flavour} ${seed}`, async () => {
    const scene = { nodes, pods, objects }
    assert.deepEqual(rank(pod, scene), { feasible, table, first }, 'the reference is what was recorded')
    const cluster = await clusterOver(scene)
    const info = podInfoOf(pod)
    const refusals = refusalsOf(info, cluster)
    for (const plugin of refusals.values()) refusing.add(plugin)
    const able = cluster.nodes.filter(({ name }) => !refusals.has(name))
    assert.deepEqual(
      able.map(({ name }) => name),
      feasible,
    )
    for (const { plugin, weight } of profile.plugins) {
      const score = weight ? plugin.score?.(info, cluster, able) : undefined
      const recorded = table[plugin.name]
      if (recorded && new Set(recorded).size > 1) telling.add(plugin.name)
      // A plugin that has nothing to say makes no difference between nodes.
      if (!score) assert.ok(new Set(recorded).size <= 1, `${plugin.name} scores nothing, the record says ${recorded}`)
      else {
        const scores = able.map((node) => score.of(node))
        score.normalize?.(scores)
        assert.deepEqual(
          scores.map((one) => weight * one),
          recorded,
          plugin.name,
        )
      }
    }
    for (let i = 1; i <= 5; i++) {
      const placement = placePod(info, cluster, { profile, random: seededRandom(i), nominations, start: i })
      assert.ok('node' in placement && first.includes(placement.node.name))
    }
  })
}

test('the recorded scenes have every plugin refuse some node, and every score differ somewhere', () => {
  const filters = profile.plugins.flatMap(({ plugin }) => (plugin.filter ? [plugin.name] : []))
  // Pods that name their node are not scheduled; unbound claims are for a cluster that binds them.
  assert.deepEqual(
    filters.filter((name) => !refusing.has(name)),
    ['NodeName', 'VolumeBinding'],
  )
  assert.deepEqual(
    profile.plugins.flatMap(({ plugin, weight }) => (weight && !telling.has(plugin.name) ? [plugin.name] : [])),
    [],
  )
})
