// One APIService with a service behind it: asked again and again whether it answers and what it serves, sooner when its service changes.
import type { APIServiceSpec } from '#api/generated/types.ts'
import type { RemoteVersion } from '#api/discovery/group-order.ts'
import { equal } from '#api/equal.ts'
import type { RemoteDocument } from '#api/openapi/openapi.ts'
import { createBackoff } from '#client/backoff.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { ObjectReader } from '#server/request.ts'
import { type Availability, checkAvailability } from './availability.ts'
import { fetchDiscovery, fetchOpenApi } from './remote-documents.ts'
import { type FrontProxy, RemoteServer } from './remote-server.ts'

export interface RemoteOptions {
  reader: ObjectReader
  clock: Clock
  random: Random
  log: Logger
  frontProxy: FrontProxy
  parse(text: Buffer): Promise<unknown>
  tell(availability: Availability): Promise<void>
  /** What it serves, or says of it, is another. */
  changed(): void
}

const CHECK_AGAIN_MS = 30_000
const RETRY = { initialMs: 100, maxMs: 30_000, jitter: 0 }
const DOCUMENTS_TIMEOUT_MS = 15_000

export class Remote implements Disposable {
  readonly spec: APIServiceSpec
  readonly server: RemoteServer
  /** As its condition says. */
  available = false
  openApi: RemoteDocument | undefined
  readonly #options: RemoteOptions
  readonly #gone = new AbortController()
  #woken = new AbortController()
  #resources: RemoteVersion['resources'] = []
  #stale = true

  constructor(spec: APIServiceSpec, options: RemoteOptions) {
    this.spec = spec
    this.#options = options
    this.server = new RemoteServer(spec, options)
  }

  discovery(): { group: string; version: string } & RemoteVersion {
    const { group = '', version = '' } = this.spec
    return { group, version, resources: this.#resources, stale: this.#stale }
  }

  /** What holds may hold no longer: asks again at once. */
  readonly wake = (): void => this.#woken.abort()

  async follow(stopped: AbortSignal): Promise<void> {
    const { reader, clock, random, tell, log } = this.#options
    const signal = AbortSignal.any([stopped, this.#gone.signal])
    const backoff = createBackoff({ ...RETRY, clock, random })
    while (!signal.aborted) {
      this.#woken = new AbortController()
      try {
        const availability = await checkAvailability(this.spec, this.server, { reader, clock, signal })
        if (signal.aborted) return
        if (availability.status === 'True') {
          await this.#refresh(signal)
          backoff.reset()
        } else this.#update(this.#resources, true)
        if (signal.aborted) return
        await tell(availability)
        const pause = availability.status === 'True' ? CHECK_AGAIN_MS : backoff.nextMs()
        await clock.sleep(pause, AbortSignal.any([signal, this.#woken.signal])).catch(() => {})
      } catch (error) {
        if (signal.aborted) return
        log.error('cannot check an API service', { group: this.spec.group, version: this.spec.version, error })
        await clock.sleep(CHECK_AGAIN_MS, signal).catch(() => {})
      }
    }
  }

  /** What it says of itself. Not saying it does not make it unavailable. */
  async #refresh(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    const { group = '', version = '' } = this.spec
    const late = new AbortController()
    using _timer = clock.after(DOCUMENTS_TIMEOUT_MS, () => late.abort())
    const asking = { signal: AbortSignal.any([signal, late.signal]), parse: this.#options.parse }
    try {
      const resources = await fetchDiscovery(this.server, { group, version }, asking)
      this.#update(resources ?? [], resources === undefined)
    } catch (error) {
      log.warn('an API service does not tell what it serves', { group, version, error })
      this.#update(this.#resources, true)
    }
    try {
      const openApi = await fetchOpenApi(this.server, { group, version, before: this.openApi }, asking)
      const before = this.openApi
      this.openApi = openApi
      if (saysTheSame(openApi, before)) return
      this.#options.changed()
    } catch (error) {
      log.warn('an API service does not describe itself', { group, version, error })
    }
  }

  #update(resources: RemoteVersion['resources'], stale: boolean): void {
    if (stale === this.#stale && equal(resources, this.#resources)) return
    this.#resources = resources
    this.#stale = stale
    this.#options.changed()
  }

  [Symbol.dispose](): void {
    this.#gone.abort(new Error('the API service is another or gone'))
    this.server[Symbol.dispose]()
  }
}

/** Documents may be large: an unchanged one is the very same. */
function saysTheSame(one: RemoteDocument | undefined, other: RemoteDocument | undefined): boolean {
  if (!one || !other || one.hash !== other.hash) return one === other
  if (one.paths === other.paths && one.definitions === other.definitions) return true
  return equal([one.paths, one.definitions], [other.paths, other.definitions])
}
