import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodSpec } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { type Random, seededRandom } from '#lib/random.ts'
import { NominatedPods } from './nominations.ts'
import { placePod } from './place.ts'
import { podInfoOf } from './pod-info.ts'
import { defaultProfile } from './profile.ts'
import { rankedFirst } from './reference.ts'
import { clusterOf, nodeOf, podOf } from './testing.ts'

const SEEDS = 40
const APPS = ['web', 'db', 'job']

/** What a scene has beside load: each of these is what one plugin looks at. */
const flavours: Record<string, (pick: Pick) => Partial<PodSpec>> = {
  plain: () => ({}),
  'node selector': (pick) => ({ nodeSelector: { disk: pick(['ssd', 'hdd']) } }),
  'preferred nodes': (pick) => ({
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: pick([1, 40]), preference: { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] } },
          { weight: pick([1, 40]), preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['x', 'y'] }] } },
        ],
      },
    },
  }),
  tolerations: (pick) => ({ tolerations: [{ key: 'k', operator: 'Exists', effect: pick(['NoSchedule', 'PreferNoSchedule']) }] }),
  'host ports': (pick) => ({ containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: pick([80, 81]) }] }] }),
  images: (pick) => ({ containers: [{ name: 'c', image: pick(['big:1', 'small:1', 'rare:1']) }] }),
  'required spread': (pick) => ({ topologySpreadConstraints: [spread('zone', 'DoNotSchedule', pick)] }),
  'preferred spread': (pick) => ({
    topologySpreadConstraints: [spread('zone', 'ScheduleAnyway', pick), spread('kubernetes.io/hostname', 'ScheduleAnyway', pick)],
  }),
  'required company': (pick) => ({
    affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(pick(['zone', 'kubernetes.io/hostname']), pick)] } },
  }),
  'required distance': (pick) => ({
    affinity: {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(pick(['zone', 'kubernetes.io/hostname']), pick)] },
    },
  }),
  'preferred company and distance': (pick) => ({
    affinity: {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: pick([10, 70]), podAffinityTerm: term('zone', pick) }],
      },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: pick([10, 70]), podAffinityTerm: term('kubernetes.io/hostname', pick) },
        ],
      },
    },
  }),
}

type Pick = <T>(from: readonly T[]) => T
const pickerOf =
  (random: Random): Pick =>
  (from) =>
    from[Math.floor(random.float() * from.length)]!
const selectorOf = (pick: Pick) => ({ labelSelector: { matchLabels: { app: pick(APPS) } } })
const spread = (topologyKey: string, whenUnsatisfiable: string, pick: Pick) => ({
  topologyKey,
  whenUnsatisfiable,
  maxSkew: pick([1, 2]),
  ...selectorOf(pick),
})
const term = (topologyKey: string, pick: Pick) => ({ topologyKey, ...selectorOf(pick) })

function someNode(name: string, pick: Pick): Node {
  const zone = pick(['x', 'y', 'z', ''])
  const taint = pick([undefined, undefined, undefined, 'NoSchedule', 'PreferNoSchedule'])
  return nodeOf(name, {
    cpu: pick(['2', '4', '8']),
    memory: pick(['4Gi', '8Gi']),
    pods: pick(['3', '110']),
    labels: { disk: pick(['ssd', 'hdd']), ...(zone ? { zone } : {}) },
    spec: {
      ...(pick([1, 2, 3, 4, 5]) === 1 ? { unschedulable: true } : {}),
      ...(taint ? { taints: [{ key: 'k', value: '', effect: taint }] } : {}),
    },
    images: ['big:1', 'small:1', 'rare:1'].flatMap((image, i) =>
      pick([true, false]) ? [{ names: [image], sizeBytes: [900, 40, 300][i]! * 2 ** 20 }] : [],
    ),
  })
}

function somePod(name: string, flavour: string, pick: Pick): Pod {
  const { containers, ...spec } = flavours[flavour]!(pick)
  const pod = podOf(name, { labels: { app: pick(APPS) }, ...spec, ...(containers ? { containers } : {}) })
  const requests = {
    ...(pick([true, false]) ? { cpu: pick(['100m', '700m', '1']) } : {}),
    ...(pick([true, false]) ? { memory: '512Mi' } : {}),
  }
  return { ...pod, spec: { ...pod.spec!, containers: pod.spec!.containers!.map((one) => ({ ...one, resources: { requests } })) } }
}

for (const flavour of Object.keys(flavours)) {
  test(`placePod chooses among those the reference ranks first: ${flavour}`, () => {
    let placed = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = seededRandom(seed)
      const pick = pickerOf(random)
      // Enough nodes for the index of shapes in some scenes, few enough to be examined one by one in others.
      const nodes = Array.from({ length: seed % 8 === 0 ? 100 : 3 + (seed % 9) }, (_, i) => someNode(`n${i}`, pick))
      const cluster = clusterOf(nodes)
      const pods: Pod[] = []
      for (let i = 0; i < 14; i++) {
        const kind = i % 2 ? flavour : pick(Object.keys(flavours))
        const pod = somePod(`p${i}`, kind, pick)
        const expected = rankedFirst(pod, { nodes, pods })
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
