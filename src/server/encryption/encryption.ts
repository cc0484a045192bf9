// Which providers keep which keys of the store, as the configuration says now. The configuration may be read again while the server runs:
// one that is faulty changes nothing.
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import { identity } from './ciphers.ts'
import { BadEncryptionConfiguration, type EncryptionRules, readEncryptionConfiguration } from './configuration.ts'
import type { Providers } from './providers.ts'

/** Where the configuration comes from. */
export interface EncryptionSource {
  /** Its text as it is now. */
  read(): string
  /** Named in what is said of a faulty one. */
  path?: string
  /** Read again every minute, and used when it changed and is sound. */
  reload?: boolean
  /** Values that are not kept as the first provider would are written again at the start. Upstream leaves that to the administrator. */
  rewrite?: boolean
}

export interface GroupResource {
  group: string
  resource: string
}

const RELOAD_MS = 60_000
const CLEAR: Providers = [{ prefix: '', cipher: identity }]

export interface EncryptionParts {
  clock: Clock
  random: Random
  log: Logger
}

export class Encryption implements Disposable {
  readonly rewrite: boolean
  readonly #source: EncryptionSource
  readonly #parts: EncryptionParts
  #text: string
  #rules: EncryptionRules
  #connections: DisposableStack
  readonly #reloads = { success: 0, failure: 0, lastSeconds: { success: 0, failure: 0 } }
  /** Grows with every configuration taken. */
  generation = 0

  private constructor(
    source: EncryptionSource,
    parts: EncryptionParts,
    first: { text: string; rules: EncryptionRules; connections: DisposableStack },
  ) {
    this.rewrite = source.rewrite === true
    this.#source = source
    this.#parts = parts
    this.#text = first.text
    this.#rules = first.rules
    this.#connections = first.connections
  }

  /** Throws BadEncryptionConfiguration. */
  static async create(source: EncryptionSource, parts: EncryptionParts): Promise<Encryption> {
    const text = source.read()
    try {
      return new Encryption(source, parts, { text, ...(await rulesOf(text, parts)) })
    } catch (error) {
      if (source.path && error instanceof BadEncryptionConfiguration) error.message = `${source.path}: ${error.message}`
      throw error
    }
  }

  providersOf({ group, resource }: GroupResource): Providers {
    const name = group ? `${resource}.${group}` : resource
    return this.#rules.get(name) ?? this.#rules.get(`*.${group}`) ?? this.#rules.get('*.*') ?? CLEAR
  }

  /** Follows the configuration until the signal aborts, where that was asked for. */
  async run(signal: AbortSignal): Promise<void> {
    if (!this.#source.reload) return
    const { clock } = this.#parts
    while (!signal.aborted) {
      await clock.sleep(RELOAD_MS, signal).catch(() => {})
      if (!signal.aborted) await this.#reload()
    }
  }

  async #reload(): Promise<void> {
    const { clock, log } = this.#parts
    let outcome: 'success' | 'failure' = 'failure'
    try {
      const text = this.#source.read()
      if (text === this.#text) return
      const { rules, connections } = await rulesOf(text, this.#parts)
      // What was read with them is still being written with them: they end with the server.
      connections.use(this.#connections)
      this.#text = text
      this.#rules = rules
      this.#connections = connections
      this.generation++
      outcome = 'success'
      log.info('encryption configuration taken')
    } catch (error) {
      log.error('the encryption configuration cannot be used; the last good one stays', { error })
    }
    this.#reloads[outcome]++
    this.#reloads.lastSeconds[outcome] = clock.now() / 1000
  }

  *families(): Generator<MetricFamily> {
    const outcomes = ['success', 'failure'] as const
    yield {
      name: 'apiserver_encryption_config_controller_automatic_reloads_total',
      help: 'How often a changed encryption configuration was read.',
      type: 'counter',
      samples: outcomes.map((status) => ({ labels: { status }, value: this.#reloads[status] })),
    }
    yield {
      name: 'apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds',
      help: 'When a changed encryption configuration was last read.',
      type: 'gauge',
      samples: outcomes.map((status) => ({ labels: { status }, value: this.#reloads.lastSeconds[status] })),
    }
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]()
  }
}

async function rulesOf(text: string, parts: EncryptionParts) {
  using connections = new DisposableStack()
  const rules = await readEncryptionConfiguration(text, { ...parts, connections })
  return { rules, connections: connections.move() }
}
