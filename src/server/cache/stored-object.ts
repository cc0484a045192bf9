// One stored object at one revision: the bytes as written (without resourceVersion) and, on demand, one frozen parsed copy shared by everyone.
// The parsed copy lives as long as anyone holds it, or while it is among the recently used: keeping all would cost half-second collector pauses.
// A weak reference costs as much as half a walk over the object, so it is made only when the object is no longer among the recently used.
// What its writer made of it is lent for a moment, and shared only if somebody asks: most objects written are never asked for in this process.
import { deepFreeze, freezeLarge, setOwn } from '#api/clone.ts'
import type { KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import { mayHoldLongNumber, parseExactly } from '#lib/exact-json.ts'
import { nextTurn } from '#lib/paced.ts'
import type { LruMap } from '#lib/lru-map.ts'

/** From here on an object may have so many members that freezing takes long. */
const LARGE_BYTES = 128 * 1024

export type ParsedCache = LruMap<StoredObject, KubeObject>

/** An object nobody can read: whoever tries is told why. */
export function unreadable(key: string, revision: number, fault: string): StoredObject {
  const object = new StoredObject(key, Buffer.alloc(0), revision)
  const refuse = () => {
    throw new StatusError('InternalError', `Internal error occurred: ${fault}`, { details: { causes: [{ message: fault }] } })
  }
  return Object.defineProperties(object, {
    bytes: { get: refuse },
    size: { value: 0 },
    at: { value: (later: number) => unreadable(key, later, fault) },
  })
}

export class StoredObject {
  readonly key: string
  readonly bytes: Buffer
  readonly revision: number
  #parsed: WeakRef<KubeObject> | undefined
  /** The same, while it is among the recently used. */
  #recent: KubeObject | undefined
  /** Not shared yet: a reference that is only weak outlives two collections all the same. */
  #lent: { object: KubeObject; partsFrozen: boolean } | undefined
  #labels: Record<string, string> | null | undefined
  #mayHoldLongNumber: boolean | undefined
  /** Those that selectors have asked for. */
  #fields: Record<string, string> | undefined

  constructor(key: string, bytes: Buffer, revision: number) {
    this.key = key
    this.bytes = bytes
    this.revision = revision
  }

  /** Of its bytes. */
  get size(): number {
    return this.bytes.length
  }

  /** See `mayHoldLongNumber`: looked at once. */
  get mayHoldLongNumber(): boolean {
    return (this.#mayHoldLongNumber ??= mayHoldLongNumber(this.bytes))
  }

  /** The same at another revision: what was there last when it went. */
  at(revision: number): StoredObject {
    const later = new StoredObject(this.key, this.bytes, revision)
    later.#fields = this.#fields
    this.share()
    const known = this.#known()
    if (known) later.adopt({ ...known, metadata: { ...known.metadata! } }, undefined, true)
    return later
  }

  /** In the storage version, frozen, with its resourceVersion. */
  object(recent?: ParsedCache): KubeObject {
    this.share(recent)
    const known = this.#known()
    if (known) return known
    const object = this.#parse()
    this.adopt(object, recent)
    return object
  }

  /** The same for whoever takes one look now and keeps nothing of it. */
  glance(): KubeObject {
    return this.#known() ?? this.#lent?.object ?? this.#parse()
  }

  /** Takes `object`, which is what the bytes say and nobody's to change any more, until it is given back, or for good once anybody asks for it. */
  lend(object: KubeObject, { partsFrozen = false } = {}): void {
    if (this.revision > 0) object.metadata!.resourceVersion = String(this.revision)
    this.#labels = object.metadata?.labels ?? null
    this.#lent = { object, partsFrozen }
  }

  /** Keeps what was lent: somebody is going to ask for it. */
  share(recent?: ParsedCache): void {
    const lent = this.#lent
    if (!lent) return
    this.#lent = undefined
    this.adopt(lent.object, recent, lent.partsFrozen)
  }

  /** What was lent and nobody asked for is given back. */
  giveBack(): void {
    this.#lent = undefined
  }

  /** Nobody has to read the bytes for it. */
  get isParsed(): boolean {
    return this.#lent !== undefined || this.#known() !== undefined
  }

  /** As `object`, where that takes long: with a turn for others between reading and freezing. */
  async objectInSteps(recent?: ParsedCache): Promise<KubeObject> {
    if (this.isParsed) return this.object(recent)
    const object = this.#parse()
    await nextTurn()
    this.adopt(object, recent)
    return object
  }

  /** Takes `object`, which is what the bytes say, as the shared parsed copy: it must be nobody's to change any more. */
  adopt(object: KubeObject, recent?: ParsedCache, partsFrozen = false): void {
    if (this.revision > 0) object.metadata!.resourceVersion = String(this.revision)
    if (partsFrozen) Object.freeze(Object.freeze(object).metadata)
    else if (this.bytes.length < LARGE_BYTES) deepFreeze(object)
    else freezeLarge(object)
    this.#labels = object.metadata?.labels ?? null
    if (recent) {
      this.#recent = object
      recent.set(this, object)
    } else this.#parsed = new WeakRef(object)
  }

  /** Lets go of the parsed copy: whoever asks for it again has it parsed again. */
  release(): void {
    this.#parsed = this.#recent = this.#lent = undefined
  }

  /** It is not among the recently used any more: the parsed copy lives as long as others hold it. */
  loosen(): void {
    if (this.#recent) this.#parsed = new WeakRef(this.#recent)
    this.#recent = undefined
  }

  #known(): KubeObject | undefined {
    return this.#recent ?? this.#parsed?.deref()
  }

  #parse(): KubeObject {
    const object = parseExactly(this.bytes.toString('utf8')) as KubeObject
    if (this.revision > 0) object.metadata!.resourceVersion = String(this.revision)
    if (this.#labels === undefined) this.#labels = object.metadata?.labels ?? null
    return object
  }

  labels(): Record<string, string> | undefined {
    if (this.#labels === undefined) this.#labels = this.glance().metadata?.labels ?? null
    return this.#labels ?? undefined
  }

  /** The value of a field that a selector names, read once for all who select by it. */
  field(name: string, read: () => string): string {
    if (this.#fields && Object.hasOwn(this.#fields, name)) return this.#fields[name]!
    const value = read()
    setOwn((this.#fields ??= {}), name, value)
    return value
  }
}
