// The scheduler's view of all nodes and the pods on them, with pods it has placed but whose binding it has not seen yet (assumed).
// Informers feed it; a scheduling cycle reads it without waiting, so nothing moves under it.
import { equal } from '#api/equal.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Selector } from '#api/label-selector.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { AffinityTerm, NamespaceLabels } from './pod-affinity-terms.ts'
import type { PodInfo } from './pod-info.ts'
import { CompanyCounts } from './company-counts.ts'
import type { DeviceAllocator } from './devices/device-allocator.ts'
import { type Counts, MatchCounts } from './match-counts.ts'
import { NodeInfo } from './node-info.ts'
import { NO_OBJECTS, type Objects } from './objects.ts'
import { ShapeIndex } from './shape-index.ts'
import type { SiblingSelector } from './siblings.ts'
import type { TopologyCounts } from './topology-counts.ts'
import type { VolumeBinder } from './volumes/volume-binder.ts'

/** A pod and where it counts. */
export interface Located {
  info: PodInfo
  node: NodeInfo
}

const MAX_DOMAINS = 64

export class Cluster {
  readonly #nodes = new Map<string, NodeInfo>()
  /** Where each pod counts. */
  readonly #places = new Map<string, { info: PodInfo; node: string; assumed: boolean }>()
  readonly #imageNodes = new Map<string, number>()
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>()
  readonly #byNamespace = new Map<string, Map<string, Located>>()
  readonly #matchCounts = new MatchCounts()
  /** Which nodes suit pods alike best; told of every change of a node. */
  readonly shapes = new ShapeIndex()
  /** Nodes with taints that discourage. */
  discouragingNodes = 0
  /** Of the nodes as they are. */
  readonly #domains = new Map<string, string[][]>()
  #schedulable: NodeInfo[] | undefined
  /** Pods with any rule or wish about company, and those with a rule against it: they concern pods that say nothing themselves. */
  readonly affine = new Map<string, Located>()
  readonly antiAffine = new Map<string, Located>()
  /** With whom a pod belongs, for spreading pods that say nothing of it. */
  siblingsOf: SiblingSelector = () => undefined
  /** Absent: no pod claims volumes. */
  volumeBinder: VolumeBinder | undefined
  /** Absent: no pod claims devices. */
  devices: DeviceAllocator | undefined
  /** Volumes, claims and whatever else plugins look up. */
  objects: Objects = NO_OBJECTS
  readonly namespaceLabels: NamespaceLabels = (namespace) => this.#namespaces.get(namespace)
  readonly #company = new CompanyCounts(this.namespaceLabels)

  /** Nodes that exist, in a stable order. */
  get nodes(): readonly NodeInfo[] {
    return (this.#schedulable ??= [...this.#nodes.values()].filter(({ node }) => node))
  }

  get sizes(): { nodes: number; pods: number; assumed: number } {
    const places = [...this.#places.values()]
    return { nodes: this.nodes.length, pods: places.length, assumed: places.filter(({ assumed }) => assumed).length }
  }

  node(name: string): NodeInfo | undefined {
    const info = this.#nodes.get(name)
    return info?.node ? info : undefined
  }

  setNode(node: Node): void {
    const info = this.#infoOf(node.metadata?.name ?? '')
    if (!info.node) this.#schedulable = undefined
    this.#replaceNode(info, node)
  }

  removeNode(name: string): void {
    const info = this.#nodes.get(name)
    if (!info) return
    this.#replaceNode(info, undefined)
    if (info.pods.size === 0) this.#nodes.delete(name)
    this.#schedulable = undefined
  }

  setNamespace(name: string, labels: Readonly<Record<string, string>> | undefined): void {
    if (!equal(labels, this.#namespaces.get(name))) this.#company.clear()
    if (labels) this.#namespaces.set(name, labels)
    else this.#namespaces.delete(name)
  }

  /** Pods on nodes, of these namespaces or of all. */
  eachPod(namespaces: ReadonlySet<string> | undefined, visit: (pod: PodInfo, node: NodeInfo) => void): void {
    for (const namespace of namespaces ?? this.#byNamespace.keys()) {
      for (const { info, node } of this.#byNamespace.get(namespace)?.values() ?? []) visit(info, node)
    }
  }

  /** On each node, how many pods of the namespace the selector matches. */
  matchCounts(namespace: string, selector: Selector): Counts {
    return this.#matchCounts.of(namespace, selector, this.#byNamespace.get(namespace)?.values() ?? [])
  }

  /** Domains of the pods that all these terms match. */
  company(terms: readonly AffinityTerm[]): TopologyCounts {
    return this.#company.of(terms, (namespaces, visit) => this.eachPod(namespaces, visit))
  }

  /** Domains of the pods that have a rule against this one. */
  companyAgainst(pod: Pod): TopologyCounts[] {
    return this.antiAffine.size ? this.#company.against(pod, this.antiAffine.values()) : []
  }

  /** The values each key has on nodes that have all of them. */
  domains(keys: readonly string[]): readonly (readonly string[])[] {
    const text = JSON.stringify(keys)
    const known = this.#domains.get(text)
    if (known) return known
    const nodes = this.nodes.filter(({ labels }) => keys.every((key) => Object.hasOwn(labels, key)))
    const domains = keys.map((key) => [...new Set(nodes.map(({ labels }) => labels[key]!))])
    if (this.#domains.size >= MAX_DOMAINS) this.#domains.clear()
    this.#domains.set(text, domains)
    return domains
  }

  /** On how many nodes an image is. */
  nodesWithImage(name: string): number {
    return this.#imageNodes.get(name) ?? 0
  }

  /** A pod as the API has it on a node. Confirms what was assumed. */
  setPod(info: PodInfo, node: string): void {
    this.#place(info, node, false)
  }

  /** The same pod, counting for as much as before. */
  renewPod(uid: string, pod: Pod): void {
    const located = this.#located(uid)
    if (!located) return
    const { metadata } = located.info.pod
    const same = pod.metadata?.deletionTimestamp === metadata?.deletionTimestamp && equal(pod.metadata?.labels, metadata?.labels)
    if (!same) this.#count(located, -1)
    located.info.pod = pod
    if (!same) this.#count(located, 1)
  }

  /** What a pod counts for, where it was assumed and now is. Answers whether there was such an assumption. */
  confirm(uid: string, pod: Pod): boolean {
    const place = this.#places.get(uid)
    if (!place?.assumed || place.node !== pod.spec?.nodeName) return false
    place.assumed = false
    this.renewPod(uid, pod)
    return true
  }

  /** As last seen. */
  podOf(uid: string): Pod | undefined {
    return this.#places.get(uid)?.info.pod
  }

  has(uid: string): boolean {
    return this.#places.has(uid)
  }

  removePod(uid: string): void {
    const place = this.#places.get(uid)
    const located = this.#located(uid)
    if (!place || !located) return
    this.#count(located, -1)
    this.#places.delete(uid)
    this.affine.delete(uid)
    this.antiAffine.delete(uid)
    const neighbours = this.#byNamespace.get(place.info.namespace)
    neighbours?.delete(uid)
    if (neighbours?.size === 0) this.#byNamespace.delete(place.info.namespace)
    const info = this.#nodes.get(place.node)
    info?.remove(uid)
    this.shapes.changed(located.node)
    if (info && !info.node && info.pods.size === 0) this.#nodes.delete(place.node)
  }

  /** Counts a pod on a node before its binding is written. */
  assume(info: PodInfo, node: string): void {
    this.#place(info, node, true)
  }

  /** Takes an assumption back, unless the API has confirmed it meanwhile. */
  forget(uid: string): void {
    if (this.#places.get(uid)?.assumed) this.removePod(uid)
  }

  isAssumed(uid: string): boolean {
    return this.#places.get(uid)?.assumed ?? false
  }

  #place(info: PodInfo, node: string, assumed: boolean): void {
    const place = this.#places.get(info.uid)
    if (place) this.removePod(info.uid)
    this.#places.set(info.uid, { info, node, assumed })
    const located: Located = { info, node: this.#infoOf(node) }
    located.node.add(info)
    this.shapes.changed(located.node)
    this.#count(located, 1)
    let neighbours = this.#byNamespace.get(info.namespace)
    if (!neighbours) this.#byNamespace.set(info.namespace, (neighbours = new Map()))
    neighbours.set(info.uid, located)
    const { required, requiredAnti, preferred, preferredAnti } = info.affinity
    if (requiredAnti.length) this.antiAffine.set(info.uid, located)
    if (required.length || preferred.length || preferredAnti.length) this.affine.set(info.uid, located)
  }

  #count(located: Located, by: 1 | -1): void {
    this.#matchCounts.change(located, by)
    this.#company.change(located.info, located.node, by)
  }

  #located(uid: string): Located | undefined {
    const place = this.#places.get(uid)
    return place && this.#byNamespace.get(place.info.namespace)?.get(uid)
  }

  #infoOf(name: string): NodeInfo {
    let info = this.#nodes.get(name)
    if (!info) this.#nodes.set(name, (info = new NodeInfo(name)))
    return info
  }

  #replaceNode(info: NodeInfo, node: Node | undefined): void {
    this.#countImages(info, -1)
    if (isDiscouraging(info)) this.discouragingNodes--
    const { labels, node: previous } = info
    info.setNode(node)
    const relabelled = !equal(labels, info.labels)
    if (relabelled || !node || !previous) this.#domains.clear()
    if (relabelled && info.pods.size > 0) this.#company.clear()
    if (isDiscouraging(info)) this.discouragingNodes++
    this.#countImages(info, 1)
    this.shapes.changed(info)
  }

  #countImages(info: NodeInfo, by: 1 | -1): void {
    for (const name of info.images.keys()) {
      const count = this.nodesWithImage(name) + by
      if (count > 0) this.#imageNodes.set(name, count)
      else this.#imageNodes.delete(name)
    }
  }
}

function isDiscouraging({ node }: NodeInfo): boolean {
  return node?.spec?.taints?.some(({ effect }) => effect === 'PreferNoSchedule') ?? false
}
