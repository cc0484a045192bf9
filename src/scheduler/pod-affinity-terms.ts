// Terms of pod affinity and anti-affinity, with their selectors read once.
import type { PodAffinityTerm, WeightedPodAffinityTerm } from '#api/generated/types.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import { matchesLabels, type Selector, selectorOf } from '#api/label-selector.ts'

export interface AffinityTerm {
  topologyKey: string
  selector: Selector
  namespaces: ReadonlySet<string>
  /** Namespaces by their labels, beside those named. */
  namespaceSelector: Selector | undefined
  /** Of preferred terms. */
  weight: number
  /** The same for terms that say the same, weight aside. */
  readonly text: string
}

export interface AffinityTerms {
  required: readonly AffinityTerm[]
  requiredAnti: readonly AffinityTerm[]
  preferred: readonly AffinityTerm[]
  preferredAnti: readonly AffinityTerm[]
}

export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined

const NONE: AffinityTerms = { required: [], requiredAnti: [], preferred: [], preferredAnti: [] }

export function affinityTermsOf(pod: Pod): AffinityTerms {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {}
  if (!podAffinity && !podAntiAffinity) return NONE
  const own = pod.metadata?.namespace ?? ''
  const hard = (terms: readonly PodAffinityTerm[] = []) => terms.map((term) => read(term, own, 0))
  const soft = (terms: readonly WeightedPodAffinityTerm[] = []) =>
    terms.map(({ weight, podAffinityTerm }) => read(podAffinityTerm, own, weight))
  return {
    required: hard(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    requiredAnti: hard(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferred: soft(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    preferredAnti: soft(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
  }
}

function read(
  { topologyKey, labelSelector, namespaces = [], namespaceSelector }: PodAffinityTerm,
  own: string,
  weight: number,
): AffinityTerm {
  const named = namespaces.length || namespaceSelector ? namespaces : [own]
  return {
    topologyKey,
    selector: selectorOf(labelSelector),
    namespaces: new Set(named),
    namespaceSelector: namespaceSelector ? selectorOf(namespaceSelector) : undefined,
    weight,
    text: JSON.stringify([topologyKey, labelSelector, named.toSorted(), namespaceSelector]),
  }
}

export function termMatches(term: AffinityTerm, pod: Pod, labelsOf: NamespaceLabels): boolean {
  const namespace = pod.metadata?.namespace ?? ''
  const inNamespace =
    term.namespaces.has(namespace) || (term.namespaceSelector && matchesLabels(term.namespaceSelector, labelsOf(namespace) ?? {}))
  return Boolean(inNamespace) && matchesLabels(term.selector, pod.metadata?.labels)
}

/** Where labels of namespaces decide, any may be the right one. */
export function termMayMatch({ namespaces, namespaceSelector, selector }: AffinityTerm, { metadata }: Pod): boolean {
  return (namespaceSelector !== undefined || namespaces.has(metadata?.namespace ?? '')) && matchesLabels(selector, metadata?.labels)
}

/** The namespaces the terms can match in; undefined where labels of namespaces decide. */
export function namespacesOf(terms: readonly AffinityTerm[]): ReadonlySet<string> | undefined {
  if (terms.some(({ namespaceSelector }) => namespaceSelector)) return undefined
  return new Set(terms.flatMap(({ namespaces }) => [...namespaces]))
}
