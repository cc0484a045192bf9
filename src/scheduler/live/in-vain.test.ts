// No pod waits that could go: nodes and pods come, go and change at random, and whenever the cluster has settled, no node would take a pod that waits.
// A change that helps and is not noticed would leave one waiting for minutes.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Container } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { seededRandom } from '#lib/random.ts'
import { flavours, type Pick, pickerOf, someNode, somePod } from '#scheduler/scenes.ts'
import { clusterOf, outcome } from '#scheduler/testing.ts'
import { startCluster } from './testing.ts'

const SEEDS = 2
const STEPS = 60
const MAX_NODES = 4
/** Longer than a pod backs off, shorter than it waits when nothing happens. */
const SETTLED_MS = 15_000
/** Volumes and devices have others to bind them. */
const FLAVOURS = Object.keys(flavours).filter((flavour) => !/volumes|claims|devices|disks/.test(flavour))

async function actors(t: TestContext, flavour: string, pick: Pick) {
  const { client, clock } = await startCluster(t)
  const nodes = async () => (await client.list(Node)).items
  const pods = async () => (await client.list(Pod, { namespace: 'default' })).items
  const patchNode = async (patch: object, subresource?: 'status') => {
    const { name = '' } = pick(await nodes()).metadata!
    await client.patch(Node, { name }, { type: 'merge', patch }, subresource ? { subresource } : {})
  }
  const end = (pod: Pod) => client.delete(Pod, { namespace: 'default', name: pod.metadata!.name! }, { gracePeriodSeconds: 0 })
  let serial = 0
  const actions: Record<string, () => Promise<unknown>> = {
    async pod() {
      const { metadata, spec, ...pod } = somePod(`p${serial++}`, pick([flavour, flavour, flavour, pick(FLAVOURS)]), pick)
      const { uid: _, ...own } = metadata!
      await client.create(Pod, {
        ...pod,
        metadata: own,
        spec: { ...spec!, restartPolicy: 'Never', containers: spec!.containers.map(valid) },
      })
    },
    async node() {
      if ((await nodes()).length === MAX_NODES) return
      const { metadata, spec, status, ...node } = someNode(`n${serial++}`, pick)
      const { uid: _, ...own } = metadata!
      const created = await client.create(Node, { ...node, metadata: own, spec: spec! })
      await client.update(Node, { ...created, status: status! }, { subresource: 'status' })
    },
    async 'node gone'() {
      const all = await nodes()
      if (all.length === 1) return
      const { name } = pick(all).metadata!
      await client.delete(Node, { name: name! })
      for (const pod of await pods()) if (pod.spec!.nodeName === name) await end(pod)
    },
    'pod gone': async () => void (await Promise.all((await pods()).slice(0, pick([1, 2])).map(end))),
    labels: () => patchNode({ metadata: { labels: { zone: pick(['x', 'y', 'z', null]), disk: pick(['ssd', 'hdd']) } } }),
    taints: () => patchNode({ spec: { taints: pick([null, [{ key: 'k', effect: 'NoSchedule' }]]) } }),
    cordon: () => patchNode({ spec: { unschedulable: pick([null, true]) } }),
    size: () => patchNode({ status: { allocatable: { cpu: pick(['1', '4', '8']), pods: pick(['2', '110']) } } }, 'status'),
    features: () => patchNode({ status: { declaredFeatures: pick([null, ['RestartAllContainersOnContainerExits']]) } }, 'status'),
    async 'pod labels'() {
      const all = await pods()
      if (all.length === 0) return
      const patch = { metadata: { labels: { app: pick(['web', 'db', 'job']) } } }
      await client.patch(Pod, { namespace: 'default', name: pick(all).metadata!.name! }, { type: 'merge', patch })
    },
  }
  return { clock, nodes, pods, actions }
}

/** Rules of restarting need a bit more than the scheduler looks at. */
function valid(container: Container): Container {
  const { restartPolicyRules: rules } = container
  if (!rules) return container
  const exitCodes = { operator: 'In', values: [1] }
  return { ...container, restartPolicy: 'Never', restartPolicyRules: rules.map((rule) => ({ ...rule, exitCodes })) }
}

for (const flavour of FLAVOURS) {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`scheduler leaves no pod waiting that could go: ${flavour} ${seed}`, async (t) => {
      const pick = pickerOf(seededRandom(seed))
      const { clock, nodes, pods, actions } = await actors(t, flavour, pick)
      const done: string[] = []
      const act = async (what: string) => {
        await actions[what]!()
        done.push(what)
      }
      for (let i = 0; i < 3; i++) await act('node')
      for (let step = 0; step < STEPS; step++) {
        await act(pick(['pod', 'pod', ...Object.keys(actions)]))
        await clock.advance(pick([0, 50, SETTLED_MS]))
        if (step % 3 > 0) continue
        await clock.advance(SETTLED_MS)
        const all = await pods()
        const cluster = clusterOf(
          await nodes(),
          all.filter(({ spec }) => spec!.nodeName),
        )
        for (const pod of all.filter(({ spec }) => !spec!.nodeName))
          assert.match(outcome(pod, cluster), /^(0\/|no nodes)/, `${pod.metadata!.name} waits, after ${done.join(', ')}`)
      }
    })
  }
}
