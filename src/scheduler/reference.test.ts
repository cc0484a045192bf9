import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/kinds/core/pod.ts'
import { seededRandom } from '#lib/random.ts'
import { NominatedPods } from './nominations.ts'
import { placePod } from './place.ts'
import { podInfoOf } from './pod-info.ts'
import { defaultProfile } from './profile.ts'
import { rankedFirst } from './reference.ts'
import { flavours, pickerOf, someNode, someObjects, somePod } from './scenes.ts'
import { clusterOver } from './testing.ts'

const SEEDS = 24
for (const flavour of Object.keys(flavours)) {
  test(`placePod chooses among those the reference ranks first: ${flavour}`, async () => {
    let placed = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed)
      const pick = pickerOf(random)
      // Enough nodes for the index of shapes in some scenes, few enough to be examined one by one in others.
      const nodes = Array.from({ length: seed % 8 === 0 ? 100 : 3 + (seed % 9) }, (_, i) => someNode(`n${i}`, pick))
      const objects = someObjects(nodes, pick)
      const cluster = await clusterOver({ nodes, pods: [], objects })
      const pods: Pod[] = []
      for (let i = 0; i < 14; i++) {
        const kind = i % 2 ? flavour : pick(Object.keys(flavours))
        const pod = somePod(`p${i}`, kind, pick)
        const expected = rankedFirst(pod, { nodes, pods, objects })
        // Asked thrice, the shape of the pod is one the index knows.
        const answers = [1, 2, 3].map(() =>
          placePod(podInfoOf(pod), cluster, { profile: defaultProfile(), random, nominations: new NominatedPods(), start: i }),
        )
        for (const answer of answers) {
          if (!('node' in answer)) assert.deepEqual(expected, [], `seed ${seed}, pod ${i}: ${answer.diagnosis.message}`)
          // Of 100 nodes up to half are examined: only the index answers for all of them.
          else if (nodes.length < 100 || answer.examined === 0)
            assert.ok(expected.includes(answer.node.name), `seed ${seed}, pod ${i} (${kind}): ${answer.node.name}, not ${expected.join()}`)
        }
        const last = answers.at(-1)!
        if (!('node' in last)) continue
        placed++
        const there = { ...pod, spec: { ...pod.spec!, nodeName: last.node.name } }
        pods.push(there)
        cluster.setPod(podInfoOf(there), last.node.name)
      }
    }
    assert.ok(placed > SEEDS * 5, 'most pods find a node')
  })
}
