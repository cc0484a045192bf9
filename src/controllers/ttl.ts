// ttl-controller: tells every node how long its kubelet may keep what it has read of secrets and config maps, by the size of the cluster.
import { Node } from '#api/kinds/core/node.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { Controller } from '#client/controller.ts'
import { itself } from '#client/triggers.ts'

export const TTL_ANNOTATION = 'node.alpha.kubernetes.io/ttl'

/** From how many nodes on one step up is taken, and below how many one step down: apart, so that one node does not swing all others. */
const STEPS = [
  { min: 0, max: 100, ttlSeconds: 0 },
  { min: 90, max: 500, ttlSeconds: 15 },
  { min: 450, max: 1000, ttlSeconds: 30 },
  { min: 900, max: 2000, ttlSeconds: 60 },
  { min: 1800, max: Infinity, ttlSeconds: 300 },
] as const

/** The step of a cluster of `nodes`, coming from step `from`. */
export function nextStep(nodes: number, from: number): number {
  let step = from
  while (nodes > STEPS[step]!.max) step++
  while (nodes < STEPS[step]!.min) step--
  return step
}

/** Upstream waits for each node's next change; a kubelet that has nothing to tell reports as often as this. */
const OTHERS_MS = 5 * 60_000

export function ttlController(): Controller {
  const names = new Set<string>()
  let step: number | undefined
  let othersDueAt = Infinity
  return {
    name: 'ttl-controller',
    // One at a time: nodes are counted as they are seen.
    workers: 1,
    triggers: [itself(Node)],
    async reconcile(key, { client, informers, clock }) {
      const nodes = informers.of(Node)
      const node = nodes.get(key)
      if (step === undefined) for (const { metadata } of nodes.list()) names.add(metadata!.name!)
      if (node) names.add(key.name)
      else names.delete(key.name)
      const next = nextStep(names.size, step ?? 0)
      const now = clock.monotonic()
      const grown = step !== undefined && next !== step && othersDueAt === Infinity
      if (grown) othersDueAt = now + OTHERS_MS
      const all = step === undefined || now >= othersDueAt
      if (now >= othersDueAt) othersDueAt = Infinity
      const affected = all ? nodes.list() : node ? [node] : []
      step = next
      const value = String(STEPS[step]!.ttlSeconds)
      for (const one of affected) {
        if (one.metadata?.annotations?.[TTL_ANNOTATION] === value) continue
        const patch = { metadata: { annotations: { [TTL_ANNOTATION]: value } } }
        await client.patch(Node, keyOf(one), { type: 'strategic', patch }).catch(ignoreNotFound)
      }
      return grown ? { requeueAfterMs: OTHERS_MS } : {}
    },
  }
}
