// How many pods of a namespace a selector matches on each node, kept up to date for the selectors asked about lately.
// Pods on their way out do not count.
import { formatLabelSelector, matchesLabels, type Selector } from '#api/label-selector.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { NodeInfo } from './node-info.ts'

export type Counts = ReadonlyMap<NodeInfo, number>

interface Placed {
  info: { pod: Pod }
  node: NodeInfo
}

interface Entry {
  namespace: string
  selector: Selector
  counts: Map<NodeInfo, number>
}

const MAX_ENTRIES = 2048

export class MatchCounts {
  readonly #entries = new Map<string, Entry>()
  /** By namespace and one label that pods must have, where the selector names one: a pod is held against few of many selectors. */
  readonly #drawers = new Map<string, Set<Entry>>()
  /** By namespace and each of their labels: a new selector is held against few of many pods. */
  readonly #pods = new Map<string, Set<Placed>>()

  /** `pods` are all of the namespace: looked at only for a selector that is new here and names no label. */
  of(namespace: string, selector: Selector, pods: Iterable<Placed>): Counts {
    if (selector.nothing) return new Map()
    const key = `${namespace}|${formatLabelSelector(selector)}`
    let entry = this.#entries.get(key)
    // What is asked for again goes to the end, so that the first is the one longest unused.
    if (entry) this.#entries.delete(key)
    else {
      entry = { namespace, selector, counts: new Map() }
      const name = drawerOf(entry)
      const candidates = name === namespace ? pods : (this.#pods.get(name) ?? [])
      for (const { info, node } of candidates) if (isCounted(entry, info.pod)) change(entry.counts, node, 1)
      this.#drawers.set(name, (this.#drawers.get(name) ?? new Set()).add(entry))
    }
    this.#entries.set(key, entry)
    if (this.#entries.size > MAX_ENTRIES) this.#drop(this.#entries.keys().next().value!)
    return entry.counts
  }

  /** What has come is the very object that goes, with the labels it came with. */
  change(placed: Placed, by: 1 | -1): void {
    const { namespace = '', labels = {} } = placed.info.pod.metadata ?? {}
    this.#changeIn(namespace, placed, by)
    for (const label of Object.keys(labels)) {
      const name = drawer(namespace, label, labels[label]!)
      const pods = this.#pods.get(name)
      if (by > 0 && pods) pods.add(placed)
      else if (by > 0) this.#pods.set(name, new Set([placed]))
      else if (pods?.delete(placed) && pods.size === 0) this.#pods.delete(name)
      this.#changeIn(name, placed, by)
    }
  }

  #changeIn(name: string, { info, node }: Placed, by: 1 | -1): void {
    for (const entry of this.#drawers.get(name) ?? []) if (isCounted(entry, info.pod)) change(entry.counts, node, by)
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key)!
    this.#entries.delete(key)
    const name = drawerOf(entry)
    const entries = this.#drawers.get(name)!
    entries.delete(entry)
    if (entries.size === 0) this.#drawers.delete(name)
  }
}

function drawerOf({ namespace, selector }: Entry): string {
  const one = selector.requirements.find(({ operator, values }) => (operator === '=' || operator === 'in') && values.length === 1)
  return one ? drawer(namespace, one.key, one.values[0]!) : namespace
}

/** No namespace has a slash. */
const drawer = (namespace: string, label: string, value: string) => `${namespace}/${label}=${value}`

export function isCounted({ namespace, selector }: Pick<Entry, 'namespace' | 'selector'>, { metadata }: Pod): boolean {
  return metadata?.namespace === namespace && !metadata.deletionTimestamp && matchesLabels(selector, metadata.labels)
}

function change(counts: Map<NodeInfo, number>, node: NodeInfo, by: 1 | -1): void {
  const count = (counts.get(node) ?? 0) + by
  if (count > 0) counts.set(node, count)
  else counts.delete(node)
}
