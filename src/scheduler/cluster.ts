// The scheduler's view of all nodes and the pods on them, with pods it has placed but whose binding it has not seen yet (assumed).
// Informers feed it; a scheduling cycle reads it without waiting, so nothing moves under it.
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { PodInfo } from './pod-info.ts'
import { NodeInfo } from './node-info.ts'

export class Cluster {
  readonly #nodes = new Map<string, NodeInfo>()
  /** Where each pod counts. */
  readonly #places = new Map<string, { info: PodInfo; node: string; assumed: boolean }>()
  readonly #imageNodes = new Map<string, number>()
  #schedulable: NodeInfo[] | undefined

  /** Nodes that exist, in a stable order. */
  get nodes(): readonly NodeInfo[] {
    return (this.#schedulable ??= [...this.#nodes.values()].filter(({ node }) => node))
  }

  node(name: string): NodeInfo | undefined {
    const info = this.#nodes.get(name)
    return info?.node ? info : undefined
  }

  setNode(node: Node): void {
    const info = this.#infoOf(node.metadata?.name ?? '')
    if (!info.node) this.#schedulable = undefined
    this.#countImages(info, -1)
    info.setNode(node)
    this.#countImages(info, 1)
  }

  removeNode(name: string): void {
    const info = this.#nodes.get(name)
    if (!info) return
    this.#countImages(info, -1)
    info.setNode(undefined)
    if (info.pods.size === 0) this.#nodes.delete(name)
    this.#schedulable = undefined
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
    const place = this.#places.get(uid)
    if (place) place.info.pod = pod
  }

  has(uid: string): boolean {
    return this.#places.has(uid)
  }

  removePod(uid: string): void {
    const place = this.#places.get(uid)
    if (!place) return
    this.#places.delete(uid)
    const info = this.#nodes.get(place.node)
    info?.remove(uid)
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
    if (place && place.node !== node) this.removePod(info.uid)
    this.#places.set(info.uid, { info, node, assumed })
    this.#infoOf(node).add(info)
  }

  #infoOf(name: string): NodeInfo {
    let info = this.#nodes.get(name)
    if (!info) this.#nodes.set(name, (info = new NodeInfo(name)))
    return info
  }

  #countImages(info: NodeInfo, by: 1 | -1): void {
    for (const name of info.images.keys()) {
      const count = this.nodesWithImage(name) + by
      if (count > 0) this.#imageNodes.set(name, count)
      else this.#imageNodes.delete(name)
    }
  }
}
