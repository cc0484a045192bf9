// A local, always-current view of one kind: list once, then watch; resumes, relists on 410. Objects are shared: never mutate them. So are lists, which
// stay the same while nothing in them changes: what was worked out from a list holds for as long as it is handed out.
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'

export interface Informer<T extends KubeObject> {
  readonly kind: Kind<T>
  get(key: ObjectKey): T | undefined
  /** All, or those of one namespace. */
  list(namespace?: string): readonly T[]
  /** Objects whose controller ownerReference has that uid. */
  ownedBy(uid: string): readonly T[]
  /** Objects of which `valueOf` makes that value; kept by it from the first question on, so pass the same function each time. */
  by(valueOf: (object: T) => string, value: string): readonly T[]
  /** Objects of that namespace that no one controls. */
  orphans(namespace: string): readonly T[]
  /** Calls back for every object now known (as an addition) and every later change. Dispose to stop. */
  subscribe(handler: (change: { object?: T; previous?: T }) => void): Disposable
  /** Resolves once the first list has been seen. */
  synced(): Promise<void>
  /** Resolves once a resourceVersion at least this new has been seen. */
  seen(resourceVersion: string): Promise<void>
}

export interface Informers {
  /** The one informer of that kind here; made and started on first use. */
  of<T extends KubeObject>(kind: Kind<T>): Informer<T>
  /** A view that promises metadata only: the full informer where there is one, else one that keeps nothing more. */
  metadataOf(kind: Kind<any>, options?: { signal?: AbortSignal }): Informer<KubeObject>
  /** The informer of that kind if anyone asked for it: never starts one. */
  existing<T extends KubeObject>(kind: Kind<T>): Informer<T> | undefined
}
