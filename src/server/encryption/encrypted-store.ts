// A store whose values are encrypted where the configuration says so: above it everything is plain, below it nothing is that should not be.
// Values nobody can read come up as such, each with its reason: one lost key does not take the cluster down.
import { type Change, type Entry, type Page, type Revision, RevisionMismatch, type Store } from '#store/store.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import type { Logger } from '#lib/log.ts'
import { Pace } from '#lib/paced.ts'
import type { Encryption, GroupResource } from './encryption.ts'
import { isEncrypted, open, type Provider, type Providers, seal } from './providers.ts'

interface Writer {
  provider: Provider
  key: string
}

const ROOT = '/registry/'
const NOTHING = new Uint8Array(0)
/** What is decrypted between two turns, and what a value weighs beside its bytes. */
const BYTES_PER_TURN = 512 * 1024
const VALUE_WEIGHT = 4096

export interface EncryptedStoreOptions {
  encryption: Encryption
  /** Whose objects lie below a prefix as `/registry/secrets/`; undefined: nobody's. Its answer for a prefix never changes. */
  resourceOf(prefix: string): GroupResource | undefined
  log: Logger
}

export class EncryptedStore implements Store {
  readonly latest?: () => Promise<Revision>
  readonly #store: Store
  readonly #options: EncryptedStoreOptions
  /** By first segments of the key; made anew when the configuration changes. */
  #providers = new Map<string, Providers>()
  #generation = 0
  /** Who wrote what is stored, and with which key, of values that are to be encrypted. */
  readonly #writers = new Map<string, Writer>()
  readonly #writersOf = new WeakMap<Provider, Map<string, Writer>>()
  /** Where values lie that nobody could read. */
  readonly #unreadable = new Set<string>()
  /** What was encrypted in this process, for as long as the store still tells of it. */
  readonly #plain = new WeakMap<Uint8Array, Uint8Array>()
  readonly #operations = new Map<string, { labels: Record<string, string>; value: number }>()

  constructor(store: Store, options: EncryptedStoreOptions) {
    this.#store = store
    this.#options = options
    if (store.latest) this.latest = () => store.latest!()
  }

  async get(key: string): Promise<Entry | undefined> {
    const entry = await this.#store.get(key)
    return entry && this.#opened(entry)
  }

  async list(prefix: string, page?: Parameters<Store['list']>[1]): Promise<Page> {
    const { entries, ...rest } = await this.#store.list(prefix, page)
    const pace = new Pace(BYTES_PER_TURN)
    for (const [at, entry] of entries.entries()) {
      if (!this.#concerns(entry.key, entry.value)) continue
      entries[at] = await this.#opened(entry)
      await pace.after(entry.value.length + VALUE_WEIGHT)
    }
    return { ...rest, entries }
  }

  async put(key: string, value: Uint8Array, expected: Revision): Promise<Entry> {
    const providers = this.#providersOf(key)
    if (!isClear(providers)) return this.#putSealed(key, { value, expected, providers })
    return this.#store.put(key, value, expected)
  }

  async #putSealed(
    key: string,
    { value, expected, providers }: { value: Uint8Array; expected: Revision; providers: Providers },
  ): Promise<Entry> {
    const sealed = await seal(providers, key, value)
    this.#plain.set(sealed, value)
    const before = this.#writers.get(key)
    // Told of before the write is acknowledged: readers may look at once.
    this.#writers.set(key, this.#writerOf(providers[0]!, sealed))
    try {
      const entry = await this.#store.put(key, sealed, expected)
      this.#count('to_storage', providers[0]!, 'OK')
      return { ...entry, value }
    } catch (error) {
      if (before) this.#writers.set(key, before)
      else this.#writers.delete(key)
      if (error instanceof RevisionMismatch && error.actual) throw new RevisionMismatch(key, await this.#opened(error.actual))
      throw error
    }
  }

  async delete(key: string, expected: Revision): Promise<Revision> {
    try {
      return await this.#store.delete(key, expected)
    } catch (error) {
      if (error instanceof RevisionMismatch && error.actual) throw new RevisionMismatch(key, await this.#opened(error.actual))
      throw error
    }
  }

  async *watch(prefix: string, options: { after: Revision; signal: AbortSignal }): AsyncGenerator<Change[]> {
    for await (const batch of this.#store.watch(prefix, options)) {
      for (const [at, change] of batch.entries()) {
        const value = change.type === 'put' ? change.value : change.previous
        if (this.#concerns(change.key, value)) batch[at] = await this.#openedChange(change)
      }
      yield batch
    }
  }

  compact(before: Revision): Promise<void> {
    return this.#store.compact(before)
  }

  revision(): Revision {
    return this.#store.revision()
  }

  isStale(key: string): boolean {
    const providers = this.#providersOf(key)
    return !isClear(providers) && this.#writers.get(key) !== this.#current(providers[0]!)
  }

  /** Keys kept otherwise than the configuration wants them now. */
  stale(): string[] {
    return [...this.#writers.keys()].filter((key) => this.isStale(key))
  }

  /** Keys whose values could not be read when they were read last. */
  unreadable(): string[] {
    return [...this.#unreadable]
  }

  /** Writes stale values again. Returns how many. */
  async rewriteStale(signal: AbortSignal): Promise<number> {
    let written = 0
    for (const key of this.stale()) {
      if (signal.aborted) break
      const entry = await this.get(key)
      if (!entry || entry.fault !== undefined) continue
      try {
        await this.put(key, entry.value, entry.revision)
        written++
      } catch (error) {
        // Somebody else wrote it meanwhile, and so it is as it should be.
        if (!(error instanceof RevisionMismatch)) throw error
      }
    }
    return written
  }

  *families(): Generator<MetricFamily> {
    yield {
      name: 'apiserver_storage_transformation_operations_total',
      help: 'Values encrypted and decrypted, by who did it and how it went.',
      type: 'counter',
      samples: this.#operations.values(),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }

  #concerns(key: string, value: Uint8Array): boolean {
    return isEncrypted(value) || !isClear(this.#providersOf(key))
  }

  async #opened(entry: Entry): Promise<Entry> {
    if (!this.#concerns(entry.key, entry.value)) return entry
    return { ...entry, ...(await this.#open(entry.key, entry.value)) }
  }

  async #openedChange(change: Change): Promise<Change> {
    const { key } = change
    if (change.type === 'delete') {
      this.#writers.delete(key)
      this.#unreadable.delete(key)
      return { ...change, previous: await this.#past(key, change.previous) }
    }
    const previous = change.previous === undefined ? {} : { previous: await this.#past(key, change.previous) }
    return { ...change, ...(await this.#open(key, change.value)), ...previous }
  }

  async #open(key: string, stored: Uint8Array): Promise<{ value: Uint8Array; fault?: string }> {
    const plain = this.#plain.get(stored)
    if (plain) return { value: plain }
    const providers = this.#providersOf(key)
    try {
      const { value, provider } = await open(providers, key, stored)
      if (!isClear(providers)) this.#writers.set(key, this.#writerOf(provider, stored))
      this.#unreadable.delete(key)
      this.#count('from_storage', provider, 'OK')
      return { value }
    } catch (error) {
      const fault = `unable to transform key ${JSON.stringify(key)}: ${(error as Error).message}`
      this.#count('from_storage', undefined, 'Unknown')
      this.#options.log.error('a stored value cannot be read', { key, error: (error as Error).message })
      this.#unreadable.add(key)
      return { value: NOTHING, fault }
    }
  }

  /** What was there before is told as far as it can be. */
  async #past(key: string, stored: Uint8Array): Promise<Uint8Array> {
    const plain = this.#plain.get(stored)
    if (plain) return plain
    return open(this.#providersOf(key), key, stored).then(
      ({ value }) => value,
      () => NOTHING,
    )
  }

  #providersOf(key: string): Providers {
    const { encryption, resourceOf } = this.#options
    if (this.#generation !== encryption.generation) {
      this.#generation = encryption.generation
      this.#providers.clear()
    }
    // Objects lie below one segment, or two: `/registry/pods/`, `/registry/services/specs/`, `/registry/GROUP/PLURAL/`.
    const first = key.indexOf('/', ROOT.length) + 1
    const known = this.#providers.get(key.slice(0, first))
    if (known) return known
    const second = key.indexOf('/', first) + 1
    const longer = key.slice(0, second)
    const knownLonger = second > 0 ? this.#providers.get(longer) : undefined
    if (knownLonger) return knownLonger
    const short = resourceOf(key.slice(0, first))
    const found = short ?? resourceOf(longer) ?? customOf(longer)
    const providers = encryption.providersOf(found ?? { group: '', resource: '' })
    this.#providers.set(short ? key.slice(0, first) : longer, providers)
    return providers
  }

  #writerOf(provider: Provider, stored: Uint8Array): Writer {
    const { cipher, prefix } = provider
    return this.#writer(provider, cipher.keyOf?.(stored.subarray(prefix.length)))
  }

  #current(provider: Provider): Writer {
    return this.#writer(provider, provider.cipher.currentKey?.())
  }

  /** One for all that were written alike. */
  #writer(provider: Provider, key = ''): Writer {
    const known = this.#writersOf.get(provider) ?? new Map<string, Writer>()
    this.#writersOf.set(provider, known)
    const writer = known.get(key) ?? { provider, key }
    known.set(key, writer)
    return writer
  }

  #count(type: string, provider: Provider | undefined, status: string): void {
    const prefix = provider ? provider.prefix || 'identity' : 'unknown'
    const key = `${type} ${prefix} ${status}`
    const labels = { transformation_type: type, transformer_prefix: prefix, status }
    const counter = this.#operations.get(key) ?? { labels, value: 0 }
    counter.value++
    this.#operations.set(key, counter)
  }
}

function isClear(providers: Providers): boolean {
  return providers.length === 1 && providers[0]!.prefix === ''
}

/** Objects of a definition that is not known yet: `/registry/GROUP/PLURAL/`. */
function customOf(prefix: string): GroupResource | undefined {
  const [group, resource] = prefix.slice(ROOT.length).split('/')
  return group?.includes('.') && resource ? { group, resource } : undefined
}
