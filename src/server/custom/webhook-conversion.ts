// Custom resources whose versions differ in shape: a stranger converts them, on the way in and on the way out. What it answers is checked as
// upstream does: the same objects in the same order, metadata untouched but for labels and annotations.
import { clone, isObject } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import { validateObjectMeta } from '#api/meta/object-meta.ts'
import { apiVersionOf, type KubeObject, parseApiVersion } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import type { CustomResourceDefinition, WebhookConversion as WebhookConfiguration } from '#api/generated/types.ts'
import { LruMap } from '#lib/lru-map.ts'
import { nextTurn } from '#lib/paced.ts'
import type { Clock } from '#lib/clock.ts'
import type { Random } from '#lib/random.ts'
import type { CacheEvent } from '#server/cache/resource-cache.ts'
import { StoredObject } from '#server/cache/stored-object.ts'
import type { BodyReader } from '#server/decoding/body-reader.ts'
import { encodeForStore, headOf } from '#server/engine/encoding.ts'
import { objectApart } from '#server/engine/object-apart.ts'
import { LARGE_SHOWN_BYTES, showApart } from '#server/engine/large-reads.ts'
import { textOf } from '#server/engine/text-of.ts'
import { CallError } from '#server/outgoing/call-error.ts'
import type { Outgoing } from '#server/outgoing/outgoing.ts'
import type { Conversion, Resource } from '#server/registry.ts'
import type { ConversionFailure, ConversionMetrics } from './conversion-metrics.ts'
import { conversionBody, convertedObjects } from './conversion-review.ts'

const TIMEOUT_SECONDS = 30
/** One call converts no more than that, so that neither side chokes on a long list. */
const BATCH_OBJECTS = 500
const BATCH_BYTES = 2 * 1024 * 1024
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
const RECENT = 1000
/** What is shown before others have a turn. */
const SLICE_BYTES = 128 * 1024
const RECENT_BYTES = 32 * 1024 * 1024

export interface WebhookConversionContext {
  outgoing: Outgoing
  random: Random
  clock: Clock
  metrics: ConversionMetrics
  bodies: BodyReader
}

export interface ConversionSource {
  definition: CustomResourceDefinition
  webhook: WebhookConfiguration
  /** All of them, served or not. */
  versions: readonly Kind<any>[]
}

export class WebhookConversion implements Conversion {
  readonly #context: WebhookConversionContext
  readonly #definition: string
  readonly #webhook: WebhookConfiguration
  readonly #versions: readonly Kind<any>[]
  readonly #storage: Kind<any>
  /** What was written before the definition last changed may miss defaults. */
  readonly #changed: boolean
  /** What was shown last: watchers of one version share it. */
  readonly #recent = new LruMap<StoredObject, StoredObject>(RECENT, {
    weightOf: (stored, shown) => stored.bytes.length + shown.bytes.length,
    maxWeight: RECENT_BYTES,
  })
  readonly #events = new WeakMap<CacheEvent, Promise<CacheEvent>>()

  /** One for each version that is served. */
  constructor(context: WebhookConversionContext, { definition, webhook, versions }: ConversionSource) {
    const { metadata, spec } = definition
    this.#definition = metadata?.name ?? ''
    this.#context = context
    this.#webhook = webhook
    this.#versions = versions
    this.#storage = versions[spec.versions.findIndex(({ storage }) => storage)]!
    this.#changed = (metadata?.generation ?? 1) > 1
  }

  async read(resource: Resource, stored: readonly StoredObject[]): Promise<StoredObject[]> {
    const { kind } = resource
    const wanted = apiVersionOf(kind)
    const shown: StoredObject[] = []
    const foreign: number[] = []
    for (const [index, one] of stored.entries()) {
      const known = this.#recent.get(one)
      const object = known ? undefined : await objectApart(this.#context.bodies, one)
      if (known) shown[index] = known
      else if (object!.apiVersion === wanted) shown[index] = await this.#show(resource, one, { object: object! })
      else foreign.push(index)
    }
    for (const batch of batches(foreign, (index) => stored[index]!.bytes.length)) {
      const written: KubeObject[] = []
      for (const index of batch) {
        written.push(this.#asWritten(await objectApart(this.#context.bodies, stored[index]!)))
        if (this.#changed) await nextTurn()
      }
      const converted = await this.convert(written, kind)
      let bytes = 0
      for (const [at, index] of batch.entries()) {
        const one = await this.#show(resource, stored[index]!, { object: converted[at]!, converted: true })
        shown[index] = one
        bytes += one.bytes.length
        if (bytes < SLICE_BYTES) continue
        bytes = 0
        await nextTurn()
      }
    }
    return shown
  }

  event(resource: Resource, event: CacheEvent): Promise<CacheEvent> {
    let shown = this.#events.get(event)
    if (!shown) {
      shown = this.read(resource, [event.object, ...(event.previous ? [event.previous] : [])]).then(([object, previous]) => ({
        ...event,
        object: object!,
        previous,
        frames: undefined,
        departed: undefined,
      }))
      this.#events.set(event, shown)
    }
    return shown
  }

  async encode(resource: Resource, object: KubeObject): Promise<{ bytes: Buffer; storage: KubeObject }> {
    const storage = this.#storage
    if (storage.version === resource.kind.version) return encodeForStore(resource, object)
    const [converted] = await this.convert([object], storage)
    // Each of these walks all of it.
    await nextTurn()
    storage.decode?.(converted!)
    storage.default?.(converted!)
    await nextTurn()
    return encodeForStore({ ...resource, kind: storage, head: headOf(storage) }, converted!)
  }

  /** In order; what is in the wanted version already is not sent. */
  async convert(objects: readonly KubeObject[], to: Kind<any>): Promise<KubeObject[]> {
    const wanted = apiVersionOf(to)
    const foreign = objects.filter(({ apiVersion }) => apiVersion !== wanted)
    if (foreign.length === 0) return objects.map((object) => clone(object))
    const { group, version } = parseApiVersion(foreign[0]!.apiVersion ?? '')
    const about = `conversion webhook for ${group}/${version}, Kind=${to.kind}`
    const { clock, metrics } = this.#context
    const began = clock.monotonic()
    const observed = (failure?: ConversionFailure) =>
      metrics.observe({ definition: this.#definition, from: version, to: to.version, failure, seconds: (clock.monotonic() - began) / 1000 })
    const answered = await this.#call(foreign, wanted).catch((error: unknown) => {
      observed(error instanceof CallError ? 'conversion_webhook_call_failure' : 'conversion_webhook_malformed_response_failure')
      throw new StatusError('', `${about} failed: ${(error as Error).message}`, { cause: error })
    })
    if (answered.length !== foreign.length) {
      observed('conversion_webhook_partial_response_failure')
      throw new StatusError('', `${about} returned ${answered.length} objects, expected ${foreign.length}`)
    }
    let next = 0
    try {
      const converted: KubeObject[] = []
      for (const object of objects) {
        // Each is copied, at least its metadata.
        await nextTurn()
        if (object.apiVersion === wanted) {
          converted.push(clone(object))
          continue
        }
        const index = next++
        converted.push(checked(object, answered[index], { about, index: objects.length > 1 ? index : undefined, wanted }))
      }
      observed()
      return converted
    } catch (error) {
      observed('conversion_webhook_invalid_converted_object_failure')
      throw error
    }
  }

  async #call(objects: readonly KubeObject[], desiredAPIVersion: string): Promise<unknown[]> {
    const { outgoing, random } = this.#context
    const { clientConfig = {}, conversionReviewVersions } = this.#webhook
    const version = conversionReviewVersions.find((one) => one === 'v1' || one === 'v1beta1')
    if (!version) throw new Error(`webhook does not accept known ConversionReview versions (${conversionReviewVersions.join(' ')})`)
    const uid = random.uuid()
    const answer = await outgoing.post(clientConfig, {
      body: await conversionBody(objects, { uid, version, desiredAPIVersion }),
      query: new URLSearchParams({ timeout: `${TIMEOUT_SECONDS}s` }),
      timeoutMs: TIMEOUT_SECONDS * 1000,
      maxBytes: MAX_ANSWER_BYTES,
    })
    return convertedObjects(answer, { uid, version, read: (text) => outgoing.parse(text) })
  }

  /** With the defaults of the version it was written in: a stranger converts what was read, and nothing is filled in after that. */
  #asWritten(stored: KubeObject): KubeObject {
    const kind = this.#changed ? this.#versions.find((one) => apiVersionOf(one) === stored.apiVersion) : undefined
    if (!kind) return stored
    const own = clone(stored)
    kind.decode?.(own)
    kind.default?.(own)
    return own
  }

  /** With what the version's schema knows. */
  async #show(resource: Resource, stored: StoredObject, { object, converted = false }: Showing): Promise<StoredObject> {
    const { kind } = resource
    if (!converted && !kind.convert) return stored
    const shown =
      stored.bytes.length >= LARGE_SHOWN_BYTES
        ? await this.#showApart(kind, stored, { object, converted })
        : this.#showHere(resource, stored, { object, converted })
    this.#recent.set(stored, shown)
    return shown
  }

  async #showApart(kind: Kind, stored: StoredObject, { object, converted = false }: Showing): Promise<StoredObject> {
    const bytes = await showApart(this.#context.bodies, kind, { bytes: await textOf(object, MAX_ANSWER_BYTES), converted })
    return new StoredObject(stored.key, bytes, stored.revision)
  }

  #showHere(resource: Resource, stored: StoredObject, { object, converted }: Showing): StoredObject {
    const { kind } = resource
    if (converted) kind.decode?.(object)
    const { bytes, storage } = encodeForStore(resource, converted ? object : kind.convert!.fromStorage(object))
    const shown = new StoredObject(stored.key, bytes, stored.revision)
    shown.adopt(storage)
    return shown
  }
}

interface Showing {
  object: KubeObject
  /** A stranger made it: what is missing is missing. */
  converted?: boolean
}

function* batches(items: readonly number[], sizeOf: (item: number) => number): Generator<number[]> {
  let batch: number[] = []
  let bytes = 0
  for (const item of items) {
    const size = sizeOf(item)
    if (batch.length > 0 && (batch.length >= BATCH_OBJECTS || bytes + size > BATCH_BYTES)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(item)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

interface Checking {
  about: string
  /** Of a list. */
  index: number | undefined
  wanted: string
}

function checked(original: KubeObject, converted: unknown, { about, index, wanted }: Checking): KubeObject {
  const object = index === undefined ? 'invalid object' : `invalid converted object at index ${index}`
  const refuse = (why: string, what = object) => new StatusError('', `${about} returned ${what}: ${why}`)
  if (!isObject(converted)) throw refuse('not an object')
  const { apiVersion, kind, metadata } = converted
  if (apiVersion !== wanted) throw refuse(`invalid groupVersion (expected ${wanted}, received ${String(apiVersion ?? '')})`)
  if (kind !== original.kind) throw refuse(`invalid kind (expected ${original.kind}, received ${String(kind ?? '')})`)
  const given = isObject(metadata) ? metadata : {}
  for (const [field, name] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const [expected, found] = [original.metadata?.[field] ?? '', given[field] ?? '']
    if (expected !== found) throw refuse(`must have the same ${name}: ${expected} != ${String(found)}`)
  }
  try {
    return { ...converted, metadata: restoredMeta(original, metadata) } as KubeObject
  } catch (error) {
    throw refuse((error as Error).message, index === undefined ? 'invalid metadata' : `invalid metadata in object at index ${index}`)
  }
}

/** As it was, but for labels and annotations. */
function restoredMeta(original: KubeObject, given: unknown): NonNullable<KubeObject['metadata']> {
  if (given === undefined) throw new Error('missing metadata in converted object')
  if (!isObject(given)) throw new Error('invalid metadata in converted object')
  const { labels: _labels, annotations: _annotations, ...meta } = clone(original.metadata ?? {})
  const restored: NonNullable<KubeObject['metadata']> = meta
  for (const field of ['labels', 'annotations'] as const) {
    const values = given[field]
    if (values === undefined || values === null) continue
    if (!isObject(values)) throw new Error(`invalid metadata.${field} in converted object`)
    for (const [key, value] of Object.entries(values))
      if (typeof value !== 'string') throw new Error(`metadata.${field}[${key}] must be a string in converted object`)
    restored[field] = values as Record<string, string>
  }
  const named = { ...restored, name: 'x', namespace: 'x' }
  const errors = validateObjectMeta({ scope: 'Namespaced' } as Kind, named).filter(({ field }) =>
    /^metadata\.(labels|annotations)/.test(field),
  )
  if (errors.length > 0) throw new Error(errors.map(({ field, message }) => `${field}: ${message}`).join(', '))
  return restored
}
