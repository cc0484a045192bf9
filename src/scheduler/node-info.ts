// A node and the sums over its pods, kept up to date pod by pod.
import type { Node } from '#api/kinds/core/node.ts'
import { equal } from '#api/equal.ts'
import { quantityValue } from '#api/quantity.ts'
import { HostPorts } from './host-ports.ts'
import type { PodInfo } from './pod-info.ts'
import { addResources, noResources, parseResources, type Resources } from './resources.ts'

export class NodeInfo {
  readonly name: string
  /** Absent while only pods speak of it. */
  node: Node | undefined
  labels: Readonly<Record<string, string>> = {}
  allocatable: Resources = noResources()
  allowedPods = 0
  /** Image name -> bytes. */
  images = new Map<string, number>()
  readonly pods = new Map<string, PodInfo>()
  readonly requested: Resources = noResources()
  readonly nonZeroRequested = { milliCpu: 0, memory: 0 }
  readonly hostPorts = new HostPorts()
  /** Changes whenever anything here does. */
  generation = 0

  /** Of the pods as they were at a generation. */
  #lowest = { generation: -1, priority: Infinity }

  constructor(name: string) {
    this.name = name
  }

  /** Of all pods here; Infinity where there are none. */
  get lowestPriority(): number {
    if (this.#lowest.generation !== this.generation) {
      let lowest = Infinity
      for (const { priority } of this.pods.values()) if (priority < lowest) lowest = priority
      this.#lowest = { generation: this.generation, priority: lowest }
    }
    return this.#lowest.priority
  }

  setNode(node: Node | undefined): void {
    const previous = this.node
    this.node = node
    this.labels = node?.metadata?.labels ?? {}
    this.generation++
    if (!node || !equal(previous?.status?.allocatable, node.status?.allocatable)) {
      this.allocatable = parseResources(node?.status?.allocatable)
      this.allowedPods = quantityValue(node?.status?.allocatable?.pods)
    }
    if (!equal(previous?.status?.images, node?.status?.images)) this.images = imagesOf(node)
  }

  add(pod: PodInfo): void {
    if (this.pods.has(pod.uid)) this.remove(pod.uid)
    this.pods.set(pod.uid, pod)
    this.#change(pod, 1)
  }

  remove(uid: string): void {
    const pod = this.pods.get(uid)
    if (!pod) return
    this.pods.delete(uid)
    this.#change(pod, -1)
  }

  /** A copy to imagine pods on and off; the original does not notice. */
  copy(): NodeInfo {
    const copy = new NodeInfo(this.name)
    copy.setNode(this.node)
    for (const pod of this.pods.values()) copy.add(pod)
    return copy
  }

  #change(pod: PodInfo, by: 1 | -1): void {
    addResources(this.requested, pod.requests, by)
    this.nonZeroRequested.milliCpu += by * pod.nonZero.milliCpu
    this.nonZeroRequested.memory += by * pod.nonZero.memory
    for (const port of pod.hostPorts) this.hostPorts.change(port, by)
    this.generation++
  }
}

function imagesOf(node: Node | undefined): Map<string, number> {
  const images = new Map<string, number>()
  for (const { names, sizeBytes = 0 } of node?.status?.images ?? []) for (const name of names ?? []) images.set(name, sizeBytes)
  return images
}
