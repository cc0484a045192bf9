// What the runtime holds, by pod: listed once, then kept current by events, with a full listing from time to time for what was missed.
// Details of an exited container are read once, when it is first seen dead.
import type { Logger } from '#lib/log.ts'
import type { Container, Runtime, RuntimeEvent, Sandbox } from '#node/runtime.ts'
import { LABEL, type PodIdentity } from './identity.ts'

/** Newest first, both. */
export interface ObservedPod {
  sandboxes: readonly Sandbox[]
  containers: readonly Container[]
}

const NOTHING: ObservedPod = { sandboxes: [], containers: [] }

interface Entry {
  identity: PodIdentity
  sandboxes: Map<string, Sandbox>
  containers: Map<string, Container>
}

export interface RuntimeViewOptions {
  runtime: Runtime
  log: Logger
  /** Something of that pod is not as it was. */
  changed(uid: string): void
  /** The termination message of a container that has just been found dead; what it returns replaces `message`. */
  lastWords(container: Container): Promise<string | undefined>
}

export class RuntimeView {
  readonly #options: RuntimeViewOptions
  readonly #pods = new Map<string, Entry>()
  readonly #owners = new Map<string, string>()
  #listing: Promise<void> | undefined

  constructor(options: RuntimeViewOptions) {
    this.#options = options
  }

  pod(uid: string): ObservedPod {
    const entry = this.#pods.get(uid)
    if (!entry) return NOTHING
    return { sandboxes: newestFirst(entry.sandboxes), containers: newestFirst(entry.containers) }
  }

  identities(): PodIdentity[] {
    return [...this.#pods.values()].map(({ identity }) => identity)
  }

  /** Looks at everything; calls at the same time share one listing. */
  relist(): Promise<void> {
    this.#listing ??= this.#list().finally(() => {
      this.#listing = undefined
    })
    return this.#listing
  }

  async #list(): Promise<void> {
    const { runtime } = this.#options
    const [sandboxes, containers] = await Promise.all([runtime.listSandboxes(), runtime.listContainers()])
    const present = new Set([...sandboxes, ...containers].map(({ id }) => id))
    const stale: Promise<void>[] = []
    for (const sandbox of sandboxes) {
      const known = this.#known(sandbox.id)?.sandboxes.get(sandbox.id)
      if (!known || known.ready !== sandbox.ready) stale.push(this.refreshSandbox(sandbox.id, sandbox))
    }
    for (const container of containers) {
      const known = this.#known(container.id)?.containers.get(container.id)
      if (!known || known.state !== container.state) stale.push(this.refreshContainer(container.id))
    }
    for (const id of this.#owners.keys()) if (!present.has(id)) this.#forget(id)
    await Promise.all(stale)
  }

  async handle(event: RuntimeEvent): Promise<void> {
    const { containerId: id, type } = event
    const entry = this.#known(id)
    if (type === 'deleted') return this.#forget(id)
    if (entry?.sandboxes.has(id)) return this.refreshSandbox(id)
    // Sandboxes too raise events in the name of a container.
    if (!entry && (event.sandboxId === id || (await this.#options.runtime.containerStatus(id)) === undefined))
      return this.refreshSandbox(id)
    return this.refreshContainer(id)
  }

  async refreshContainer(id: string): Promise<void> {
    const container = await this.#options.runtime.containerStatus(id)
    if (!container) return this.#forget(id)
    const uid = container.labels[LABEL.podUid]
    if (!uid) return
    const previous = this.#pods.get(uid)?.containers.get(id)
    if (previous?.state === 'exited' && container.state === 'exited') return
    const words = container.state === 'exited' ? await this.#options.lastWords(container) : undefined
    const next = words === undefined ? container : { ...container, message: words }
    this.#entry(identityFrom(container.labels)).containers.set(id, next)
    this.#owners.set(id, uid)
    if (previous?.state !== container.state) this.#options.changed(uid)
  }

  async refreshSandbox(id: string, listed?: Sandbox): Promise<void> {
    const sandbox = (await this.#options.runtime.sandboxStatus(id)) ?? listed
    if (!sandbox) return this.#forget(id)
    if (!sandbox.uid) return
    const entry = this.#entry(sandbox)
    const previous = entry.sandboxes.get(id)
    entry.sandboxes.set(id, sandbox)
    this.#owners.set(id, sandbox.uid)
    if (previous?.ready !== sandbox.ready) this.#options.changed(sandbox.uid)
  }

  #known(id: string): Entry | undefined {
    const uid = this.#owners.get(id)
    return uid === undefined ? undefined : this.#pods.get(uid)
  }

  #entry({ uid, namespace, name }: PodIdentity): Entry {
    let entry = this.#pods.get(uid)
    if (!entry) this.#pods.set(uid, (entry = { identity: { uid, namespace, name }, sandboxes: new Map(), containers: new Map() }))
    return entry
  }

  #forget(id: string): void {
    const uid = this.#owners.get(id)
    if (uid === undefined) return
    this.#owners.delete(id)
    const entry = this.#pods.get(uid)
    entry?.sandboxes.delete(id)
    entry?.containers.delete(id)
    if (entry && entry.sandboxes.size === 0 && entry.containers.size === 0) this.#pods.delete(uid)
    this.#options.changed(uid)
  }
}

function identityFrom(labels: Record<string, string>): PodIdentity {
  return { uid: labels[LABEL.podUid] ?? '', namespace: labels[LABEL.podNamespace] ?? '', name: labels[LABEL.podName] ?? '' }
}

function newestFirst<T extends { createdAt: number; attempt: number }>(map: ReadonlyMap<string, T>): T[] {
  return [...map.values()].sort((a, b) => b.createdAt - a.createdAt || b.attempt - a.attempt)
}
