// In which domains pods are that terms of affinity speak of, and in which pods are that shun others; both kept up to date pod by pod.
// Labels of nodes and namespaces are taken as they are when a pod comes or goes: where those change, all is counted anew.
import type { Pod } from '#api/kinds/core/pod.ts'
import type { Located } from './cluster.ts'
import type { NodeInfo } from './node-info.ts'
import { type AffinityTerm, type NamespaceLabels, namespacesOf, termMatches } from './pod-affinity-terms.ts'
import type { PodInfo } from './pod-info.ts'
import { TopologyCounts } from './topology-counts.ts'

/** Calls back with the pods of these namespaces, or of all. */
type EachPod = (namespaces: ReadonlySet<string> | undefined, visit: (pod: PodInfo, node: NodeInfo) => void) => void

const MAX_ENTRIES = 64

export class CompanyCounts {
  readonly #labelsOf: NamespaceLabels
  readonly #company = new Map<string, { terms: readonly AffinityTerm[]; counts: TopologyCounts }>()
  #shunning: Map<string, { term: AffinityTerm; counts: TopologyCounts; pods: number }> | undefined

  constructor(labelsOf: NamespaceLabels) {
    this.#labelsOf = labelsOf
  }

  /** Domains of the pods that all these terms match, by each term's key. Not to be kept or changed. */
  of(terms: readonly AffinityTerm[], eachPod: EachPod): TopologyCounts {
    const key = terms.map(({ text }) => text).join('|')
    let entry = this.#company.get(key)
    // What is asked for again goes to the end, so that the first is the one longest unused.
    if (entry) this.#company.delete(key)
    else {
      const made = { terms, counts: new TopologyCounts() }
      eachPod(namespacesOf(terms), (pod, node) => this.#count(made, pod.pod, node, 1))
      entry = made
    }
    this.#company.set(key, entry)
    if (this.#company.size > MAX_ENTRIES) this.#company.delete(this.#company.keys().next().value!)
    return entry.counts
  }

  /** Domains of the pods that have a rule against this one, one answer for each such rule. Not to be kept or changed. */
  against(pod: Pod, antiAffine: Iterable<Located>): TopologyCounts[] {
    if (!this.#shunning) {
      this.#shunning = new Map()
      for (const { info, node } of antiAffine) this.#countAversion(info, node, 1)
    }
    const found: TopologyCounts[] = []
    for (const { term, counts } of this.#shunning.values()) if (termMatches(term, pod, this.#labelsOf)) found.push(counts)
    return found
  }

  change(pod: PodInfo, node: NodeInfo, by: 1 | -1): void {
    for (const entry of this.#company.values()) this.#count(entry, pod.pod, node, by)
    if (this.#shunning) this.#countAversion(pod, node, by)
  }

  /** The labels that decided are others now. */
  clear(): void {
    this.#company.clear()
    this.#shunning = undefined
  }

  #count({ terms, counts }: { terms: readonly AffinityTerm[]; counts: TopologyCounts }, pod: Pod, { labels }: NodeInfo, by: number): void {
    if (!terms.every((term) => termMatches(term, pod, this.#labelsOf))) return
    for (const { topologyKey } of terms) counts.add(topologyKey, labels, by)
  }

  #countAversion({ affinity }: PodInfo, { labels }: NodeInfo, by: 1 | -1): void {
    for (const term of affinity.requiredAnti) {
      let group = this.#shunning!.get(term.text)
      if (!group) this.#shunning!.set(term.text, (group = { term, counts: new TopologyCounts(), pods: 0 }))
      group.counts.add(term.topologyKey, labels, by)
      group.pods += by
      if (group.pods === 0) this.#shunning!.delete(term.text)
    }
  }
}
