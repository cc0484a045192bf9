// What real nodes and their pods use, read off their kubelets every 15 s as metrics-server does, but only while somebody asks for it: a cluster in
// which nobody does pays nothing.
import { Node } from '#api/kinds/core/node.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { orAborted } from '#lib/or-aborted.ts'
import type { ObjectReader } from '#server/request.ts'
import { forward, textOf } from '#server/subresources/forward-http.ts'
import type { Kubelets } from '#server/subresources/kubelets.ts'
import { type NodeReading, type PodReading, RESOLUTION_MS } from './reading.ts'
import { nodeReading, parseResourceMetrics, podReading, type Scrape } from './resource-metrics.ts'
import { isSimulated } from './simulated-usage.ts'

/** Asked for by nobody for this long, it is read no more. */
const INTEREST_MS = 5 * 60_000
/** A rate needs two readings: the first asker waits this long for the second. */
const FIRST_INTERVAL_MS = 1500
const TIMEOUT_MS = 10_000
const MAX_BYTES = 16 * 1024 * 1024
const AT_ONCE = 16

export interface KubeletUsageContext {
  reader: ObjectReader
  kubelets: Kubelets
  clock: Clock
  log: Logger
}

interface Scrapes {
  last: Scrape
  before: Scrape | undefined
}

export class KubeletUsage implements Disposable {
  readonly #context: KubeletUsageContext
  readonly #stop = new AbortController()
  #scrapes = new Map<string, Scrapes>()
  #askedAt = -Infinity
  #begun: Promise<void> | undefined
  /** Whether there are any; undefined: nobody has looked since a node changed. */
  #kubelets: boolean | undefined
  #followed: Disposable | undefined

  constructor(context: KubeletUsageContext) {
    this.#context = context
  }

  /** Somebody wants to know: resolves when there is something to tell; false, at once, where there are no kubelets. */
  wanted(): boolean | Promise<boolean> {
    const { clock } = this.#context
    this.#askedAt = clock.monotonic()
    if (!this.#begun && !this.#hasKubelets()) return false
    this.#begun ??= this.#begin()
    return this.#begun.then(() => true)
  }

  node(name: string): NodeReading | undefined {
    const { last, before } = this.#scrapes.get(name) ?? {}
    return last && before && nodeReading(last, before)
  }

  /** `pod`: `namespace/name`. */
  pod(pod: string, node: string): PodReading | undefined {
    const { last, before } = this.#scrapes.get(node) ?? {}
    return last && podReading(pod, last, before)
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error('usage is read no more'))
    this.#followed?.[Symbol.dispose]()
  }

  async #begin(): Promise<void> {
    const { clock } = this.#context
    await this.#readAll()
    await clock.sleep(FIRST_INTERVAL_MS, this.#stop.signal).catch(() => {})
    await this.#readAll()
    void this.#goOn().finally(() => {
      this.#begun = undefined
      this.#scrapes.clear()
    })
  }

  async #goOn(): Promise<void> {
    const { clock } = this.#context
    const { signal } = this.#stop
    while (!signal.aborted) {
      await clock.sleep(RESOLUTION_MS, signal).catch(() => {})
      if (signal.aborted || clock.monotonic() - this.#askedAt > INTEREST_MS) return
      await this.#readAll()
    }
  }

  #hasKubelets(): boolean {
    this.#followed ??= this.#context.reader.onChange(Node, () => (this.#kubelets = undefined))
    return (this.#kubelets ??= this.#nodes().length > 0)
  }

  #nodes(): string[] {
    const real = [...this.#context.reader.list(Node)].filter((node) => !isSimulated(node))
    return real.map(({ metadata }) => metadata?.name ?? '')
  }

  async #readAll(): Promise<void> {
    const names = this.#nodes()
    const scrapes = new Map<string, Scrapes>()
    const waiting = [...names]
    const worker = async () => {
      for (let name = waiting.shift(); name !== undefined && !this.#stop.signal.aborted; name = waiting.shift()) {
        const before = this.#scrapes.get(name)?.last
        const last = await this.#read(name)
        if (last) scrapes.set(name, { last, before })
      }
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, names.length) }, worker))
    this.#scrapes = scrapes
  }

  async #read(name: string): Promise<Scrape | undefined> {
    const { kubelets, clock, log } = this.#context
    const late = new AbortController()
    const timer = clock.after(TIMEOUT_MS, () => late.abort(new Error('it took too long')))
    const signal = AbortSignal.any([this.#stop.signal, late.signal])
    try {
      const { host, port } = kubelets.address(name)
      const backend = { scheme: 'https', host, port, agent: kubelets.agent, tls: kubelets.tls } as const
      const answer = await forward(backend, { method: 'GET', path: '/metrics/resource', headers: {}, signal })
      const text = await orAborted(textOf(answer, MAX_BYTES), signal)
      if (answer.statusCode !== 200) throw new Error(`the kubelet answered ${answer.statusCode}`)
      return parseResourceMetrics(text, clock.now())
    } catch (error) {
      if (!this.#stop.signal.aborted) log.debug('a node does not tell what it uses', { node: name, error })
      return undefined
    } finally {
      timer.cancel()
    }
  }
}
