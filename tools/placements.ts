// Records scenes and what the reference makes of them: src/scheduler/placements.jsonl, one scene a line. Scenes are random but for their seeds; run
// this again when the reference is found wrong, and read what changed.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Pod } from '#api/kinds/core/pod.ts'
import { seededRandom } from '#lib/random.ts'
import { rank } from '#scheduler/reference.ts'
import { flavours, pickerOf, someNode, someObjects, somePod } from '#scheduler/scenes.ts'

const SCENES = 3
const NODES = 5
const PODS = 10

/** What a scene needs of the objects, by the fields of its pods. */
const NEEDED: Record<string, string[]> = {
  persistentVolumeClaim: ['PersistentVolumeClaim', 'PersistentVolume', 'CSINode'],
  resourceClaimName: ['ResourceClaim', 'ResourceSlice', 'DeviceClass'],
}

const lines: string[] = []
for (const flavour of Object.keys(flavours)) {
  for (let seed = 35, found = 0; found < SCENES; seed++) {
    const pick = pickerOf(seededRandom(seed))
    const nodes = Array.from({ length: NODES }, (_, i) => someNode(`n${i}`, pick))
    const objects = someObjects(nodes, pick)
    const pods: Pod[] = []
    for (let i = 0; i < PODS; i++) {
      const pod = somePod(`p${i}`, i % 2 ? flavour : pick(Object.keys(flavours)), pick)
      const [nodeName] = rank(pod, { nodes, pods, objects }).first
      if (nodeName) pods.push({ ...pod, spec: { ...pod.spec!, nodeName } })
    }
    const pod = somePod('pod', flavour, pick)
    const ranking = rank(pod, { nodes, pods, objects })
    // Where one node will do nothing is compared, where all will do nothing is refused.
    if (ranking.feasible.length < 2 || ranking.feasible.length === NODES) continue
    found++
    const kinds = Object.entries(NEEDED).flatMap(([field, list]) => (JSON.stringify([pod, pods]).includes(field) ? list : []))
    lines.push(
      JSON.stringify({ flavour, seed, nodes, pods, objects: objects.filter(({ kind = '' }) => kinds.includes(kind)), pod, ...ranking }),
    )
  }
}
writeFileSync(join(fileURLToPath(new URL('..', import.meta.url)), 'src/scheduler/placements.jsonl'), `${lines.join('\n')}\n`)
process.stdout.write(`${lines.length} scenes\n`)
