// Who depends on whom, by uid, across all kinds. Fed by informers; answers without asking the API. Holds no objects, only edges.
import type { Kind } from '#api/kind.ts'
import { keyOf, keyText, type KubeObject, type ObjectKey, parseApiVersion } from '#api/object.ts'
import { FOREGROUND_FINALIZER } from '#api/well-known.ts'
import type { Informer } from '#client/informer.ts'

/** One object, as the graph names it. */
export interface Node {
  kind: Kind<any>
  key: ObjectKey
  uid: string
}

export interface Watched {
  kind: Kind<any>
  informer: Informer<KubeObject>
}

export class DependencyGraph {
  /** Owner's uid -> dependents by uid. */
  #dependents = new Map<string, Map<string, Node>>()
  #resources = new Map<string, Watched>()

  watch(watched: Watched): void {
    this.#resources.set(resourceOf(watched.kind), watched)
  }

  unwatch(kind: Kind<any>): void {
    this.#resources.delete(resourceOf(kind))
  }

  /** The object as last seen, if that very object (by uid) is still there. */
  current({ kind, key, uid }: Node): KubeObject | undefined {
    const object = this.#resources.get(resourceOf(kind))?.informer.get(key)
    return object?.metadata?.uid === uid ? object : undefined
  }

  /** Whatever carries that name now. */
  named(kind: Kind<any>, key: ObjectKey): KubeObject | undefined {
    return this.#resources.get(resourceOf(kind))?.informer.get(key)
  }

  /** The watched kind an owner reference names. */
  kindOf(apiVersion: string, kind: string): Kind<any> | undefined {
    const { group } = parseApiVersion(apiVersion)
    for (const watched of this.#resources.values()) if (watched.kind.group === group && watched.kind.kind === kind) return watched.kind
    return undefined
  }

  /** Where an object of that kind and uid really is: only to explain a reference that leads nowhere. */
  whereabouts(kind: Kind<any>, uid: string): KubeObject | undefined {
    return this.#resources
      .get(resourceOf(kind))
      ?.informer.list()
      .find(({ metadata }) => metadata?.uid === uid)
  }

  dependentsOf(uid: string): Node[] {
    return [...(this.#dependents.get(uid)?.values() ?? [])]
  }

  hasDependents(uid: string): boolean {
    return this.#dependents.has(uid)
  }

  /** Takes a change of one object. */
  update(kind: Kind<any>, object: KubeObject | undefined, previous: KubeObject | undefined): void {
    const before = ownerUids(previous)
    const after = ownerUids(object)
    const uid = (object ?? previous)?.metadata?.uid ?? ''
    const previousUid = previous?.metadata?.uid ?? uid
    for (const owner of before) if (previousUid !== uid || !after.has(owner)) this.#unlink(owner, previousUid)
    if (!object) return
    for (const owner of after) {
      let dependents = this.#dependents.get(owner)
      if (!dependents) this.#dependents.set(owner, (dependents = new Map()))
      if (!dependents.has(uid)) dependents.set(uid, { kind, key: keyOf(object), uid })
    }
  }

  #unlink(owner: string, dependent: string): void {
    const dependents = this.#dependents.get(owner)
    dependents?.delete(dependent)
    if (dependents?.size === 0) this.#dependents.delete(owner)
  }
}

function resourceOf({ group, plural }: Kind<any>): string {
  return `${plural}.${group}`
}

export function nodeText({ kind, key, uid }: Node): string {
  return `${resourceOf(kind)}|${keyText(key)}|${uid}`
}

export function hasFinalizer({ metadata }: KubeObject, finalizer: string): boolean {
  return metadata?.finalizers?.includes(finalizer) ?? false
}

/** Deleted in the foreground: it waits for its dependents. */
export function waitsForDependents(object: KubeObject): boolean {
  return object.metadata?.deletionTimestamp !== undefined && hasFinalizer(object, FOREGROUND_FINALIZER)
}

function ownerUids(object: KubeObject | undefined): Set<string> {
  return new Set((object?.metadata?.ownerReferences ?? []).map(({ uid }) => uid))
}
