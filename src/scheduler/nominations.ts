// Pods that were promised a node once their victims have left it.
import type { PodInfo } from './pod-info.ts'

export class NominatedPods {
  readonly #byNode = new Map<string, Map<string, PodInfo>>()
  readonly #nodes = new Map<string, string>()

  get size(): number {
    return this.#nodes.size
  }

  on(node: string): Iterable<PodInfo> {
    return this.#byNode.get(node)?.values() ?? []
  }

  nodeOf(uid: string): string | undefined {
    return this.#nodes.get(uid)
  }

  /** An absent node ends the promise. */
  set(pod: PodInfo, node: string | undefined): void {
    this.delete(pod.uid)
    if (!node) return
    this.#nodes.set(pod.uid, node)
    const pods = this.#byNode.get(node) ?? new Map<string, PodInfo>()
    pods.set(pod.uid, pod)
    this.#byNode.set(node, pods)
  }

  delete(uid: string): void {
    const node = this.#nodes.get(uid)
    if (node === undefined) return
    this.#nodes.delete(uid)
    const pods = this.#byNode.get(node)!
    pods.delete(uid)
    if (pods.size === 0) this.#byNode.delete(node)
  }
}
