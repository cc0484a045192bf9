// Which providers keep which keys of the store, as the configuration says now. The configuration may be read again while the server runs:
// one that is faulty changes nothing.
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { MetricFamily } from '#lib/metric-family.ts'
import { identity } from './ciphers.ts'
import { BadEncryptionConfiguration, type EncryptionRules, readEncryptionConfiguration } from './configuration.ts'
import type { KmsPlugin } from './kms.ts'
import { joined, type Providers } from './providers.ts'

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
  /** What to do about one that cannot be used. */
  advice?: string
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
  #plugins: readonly KmsPlugin[]
  readonly #reloads = { success: 0, failure: 0, lastSeconds: { success: 0, failure: 0 } }
  /** Grows with every configuration taken. */
  generation = 0
  /** Grows whenever what could not be read may be readable now. */
  #chances = 0
  #wake: (() => void) | undefined

  private constructor(source: EncryptionSource, parts: EncryptionParts, first: { text: string } & Taken) {
    this.rewrite = source.rewrite === true
    this.#source = source
    this.#parts = parts
    this.#text = first.text
    this.#rules = first.rules
    this.#connections = first.connections
    this.#plugins = first.plugins
  }

  /** Throws BadEncryptionConfiguration. */
  static async create(source: EncryptionSource, parts: EncryptionParts): Promise<Encryption> {
    const text = source.read()
    let chance = () => {}
    try {
      const taken = await rulesOf(text, { ...parts, recovered: () => chance() })
      const made = new Encryption(source, parts, { text, ...taken })
      chance = () => made.#chance()
      return made
    } catch (error) {
      if (source.path && error instanceof BadEncryptionConfiguration)
        error.message = `${source.path}: ${error.message}${source.advice ? `. ${source.advice}` : ''}`
      throw error
    }
  }

  providersOf({ group, resource }: GroupResource): Providers {
    const name = group ? `${resource}.${group}` : resource
    return this.#rules.get(name) ?? this.#rules.get(`*.${group}`) ?? this.#rules.get('*.*') ?? CLEAR
  }

  /** Whether plugins are asked for keys, or may be after the next reload. */
  get asksPlugins(): boolean {
    return this.#source.reload === true || this.#plugins.length > 0
  }

  /** What is wrong with the plugins. */
  async pluginProblem(): Promise<string | undefined> {
    const found = await Promise.all(this.#plugins.map((plugin) => plugin.problem()))
    const problems = found.flatMap((problem, at) => (problem === undefined ? [] : [`kms-provider-${at}: ${problem}`]))
    return problems.length > 0 ? joined(problems) : undefined
  }

  /** Tells until the signal aborts whenever what could not be read may be readable now. */
  async *chances(signal: AbortSignal): AsyncGenerator<void> {
    const stop = () => this.#wake?.()
    signal.addEventListener('abort', stop, { once: true })
    for (let seen = 0; !signal.aborted; ) {
      if (seen === this.#chances) await new Promise<void>((resolve) => (this.#wake = resolve))
      seen = this.#chances
      if (!signal.aborted) yield
    }
  }

  #chance(): void {
    this.#chances++
    this.#wake?.()
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
      const recovered = () => this.#chance()
      const { rules, connections, plugins } = await rulesOf(text, { ...this.#parts, recovered })
      // What was read with them is still being written with them: they end with the server.
      connections.use(this.#connections)
      this.#text = text
      this.#rules = rules
      this.#connections = connections
      for (const plugin of this.#plugins) plugin.retire()
      this.#plugins = plugins
      this.generation++
      this.#chance()
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

interface Taken {
  rules: EncryptionRules
  connections: DisposableStack
  plugins: readonly KmsPlugin[]
}

async function rulesOf(text: string, parts: EncryptionParts & { recovered(): void }): Promise<Taken> {
  using connections = new DisposableStack()
  const plugins: KmsPlugin[] = []
  const rules = await readEncryptionConfiguration(text, { ...parts, connections, plugins })
  return { rules, connections: connections.move(), plugins }
}
