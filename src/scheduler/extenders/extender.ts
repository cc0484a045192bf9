// A service asked about nodes beside the plugins, over upstream's extender API (k8s.io/kube-scheduler/extender/v1): filter, prioritize, preempt,
// bind. What it answers is checked: it can only choose among what it was asked about.
import { isObject } from '#api/clone.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { type Diagnosis, EXTENDER } from '#scheduler/diagnosis.ts'
import type { NodeInfo } from '#scheduler/node-info.ts'
import type { PodInfo } from '#scheduler/pod-info.ts'
import type { Candidate } from '#scheduler/preemption.ts'
import { callExtender } from './call.ts'
import type { ExtenderOptions } from './extender-options.ts'

/** Extenders score from 0 to 10, plugins from 0 to 100. */
const SCORE_SCALE = 10

export class Extender {
  readonly options: ExtenderOptions
  readonly #signal: AbortSignal

  constructor(options: ExtenderOptions, signal: AbortSignal) {
    this.options = options
    this.#signal = signal
  }

  /** Whether it has a say in this pod: in all, or in those that ask for what it manages. */
  concerns({ spec }: Pod): boolean {
    const { managedResources } = this.options
    if (managedResources.length === 0) return true
    return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(({ resources }) =>
      managedResources.some((name) => Object.hasOwn(resources?.requests ?? {}, name) || Object.hasOwn(resources?.limits ?? {}, name)),
    )
  }

  /** Those of the nodes that will do; why the others will not goes into the diagnosis. */
  async filter({ pod }: PodInfo, nodes: readonly NodeInfo[], diagnosis: Diagnosis): Promise<readonly NodeInfo[]> {
    const { url, filterVerb, nodeCacheCapable } = this.options
    if (!filterVerb) return nodes
    const result = await this.#ask(filterVerb, { Pod: pod, ...this.#spoken(nodes) })
    const said = text(field(result, 'error'))
    if (said) throw new Error(said)
    const names = field(result, 'nodenames')
    const listed = field(field(result, 'nodes'), 'items')
    const chosen =
      nodeCacheCapable && Array.isArray(names)
        ? names.map(text)
        : Array.isArray(listed)
          ? listed.map((one) => text(field(field(one, 'metadata'), 'name')))
          : []
    const feasible = chosen.map((name) => {
      const node = nodes.find((one) => one.name === name)
      if (!node)
        throw new Error(
          `extender ${JSON.stringify(url)} claims a filtered node ${JSON.stringify(name)} which is not found in the input node list`,
        )
      return node
    })
    for (const final of [false, true]) {
      const failed = field(result, final ? 'failedandunresolvablenodes' : 'failednodes')
      for (const [name, why] of isObject(failed) ? Object.entries(failed) : [])
        if (nodes.some((one) => one.name === name)) diagnosis.refuse(name, EXTENDER, { reasons: [text(why)], ...(final ? { final } : {}) })
    }
    return feasible
  }

  /** Points for each node. */
  async prioritize({ pod }: PodInfo, nodes: readonly NodeInfo[]): Promise<number[]> {
    const { prioritizeVerb, weight } = this.options
    if (!prioritizeVerb) return nodes.map(() => 0)
    const result = await this.#ask(prioritizeVerb, { Pod: pod, ...this.#spoken(nodes) })
    const points = new Map<string, number>()
    for (const one of Array.isArray(result) ? result : []) points.set(text(field(one, 'host')), Number(field(one, 'score')) || 0)
    return nodes.map(({ name }) => Math.trunc(points.get(name) ?? 0) * weight * SCORE_SCALE)
  }

  get binds(): boolean {
    return this.options.bindVerb !== ''
  }

  async bind({ pod, uid, namespace }: PodInfo, node: string): Promise<void> {
    const args = { PodName: pod.metadata?.name ?? '', PodNamespace: namespace, PodUID: uid, Node: node }
    const said = text(field(await this.#ask(this.options.bindVerb, args), 'error'))
    if (said) throw new Error(said)
  }

  /** Those of the candidates that it agrees to; it may name other victims there. */
  async preempt({ pod }: PodInfo, candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
    const { url, preemptVerb, nodeCacheCapable, ignorable } = this.options
    if (!preemptVerb) return candidates
    const proposed = (whole: boolean) =>
      Object.fromEntries(
        candidates.map((one) => [
          one.node.name,
          { Pods: one.victims.map(({ pod: victim, uid }) => (whole ? victim : { UID: uid })), NumPDBViolations: one.violations },
        ]),
      )
    const result = await this.#ask(preemptVerb, {
      Pod: pod,
      ...(nodeCacheCapable ? { NodeNameToMetaVictims: proposed(false) } : { NodeNameToVictims: proposed(true) }),
    })
    const agreed = field(result, 'nodenametometavictims')
    return Object.entries(isObject(agreed) ? agreed : {}).flatMap(([name, one]): Candidate[] => {
      const candidate = candidates.find(({ node }) => node.name === name)
      if (!candidate) throw new Error(`extender ${url} claims node ${JSON.stringify(name)}, which it was not asked about`)
      const pods = field(one, 'pods')
      const victims = (Array.isArray(pods) ? pods : []).map((victim) => podThere(candidate.node, text(field(victim, 'uid')), url))
      if (victims.length === 0 && ignorable) return []
      if (victims.length === 0) throw new Error(`expected at least one victim pod on node ${JSON.stringify(name)}`)
      return [{ node: candidate.node, violations: Number(field(one, 'numpdbviolations')) || 0, victims }]
    })
  }

  #ask(verb: string, args: unknown): Promise<unknown> {
    return callExtender(this.options, verb, { args, signal: this.#signal })
  }

  #spoken(nodes: readonly NodeInfo[]): { NodeNames: string[] } | { Nodes: { items: Node[] } } {
    if (this.options.nodeCacheCapable) return { NodeNames: nodes.map(({ name }) => name) }
    return { Nodes: { items: nodes.flatMap(({ node }) => node ?? []) } }
  }
}

function podThere(node: NodeInfo, uid: string, url: string): PodInfo {
  const found = node.pods.get(uid)
  if (found) return found
  throw new Error(`extender: ${url} claims to preempt pod (UID: &{${uid}}) on node: ${node.name}, but the pod is not found on that node`)
}

/** As Go reads JSON: the case of names does not matter. */
function field(value: unknown, name: string): unknown {
  if (!isObject(value)) return undefined
  for (const [key, part] of Object.entries(value)) if (key.toLowerCase() === name) return part
  return undefined
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
