// Stored objects as a resource shows them. Only where a stranger converts between versions does that take a call; everything else is stored as
// it is shown, or converted on the spot where it is sent.
import type { CacheEvent } from '#server/cache/resource-cache.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import type { Resource } from '#server/registry.ts'

export async function shown(resource: Resource, stored: StoredObject): Promise<StoredObject> {
  return resource.conversion ? (await resource.conversion.read(resource, [stored]))[0]! : stored
}

export async function allShown(resource: Resource, stored: StoredObject[]): Promise<StoredObject[]> {
  return resource.conversion && stored.length > 0 ? resource.conversion.read(resource, stored) : stored
}

/** Hands events on in their order, however long each takes to be converted. */
export class EventOrder {
  readonly #resource: Resource
  #last = Promise.resolve()

  constructor(resource: Resource) {
    this.#resource = resource
  }

  /** `act` at once where nothing is to be converted. */
  take(event: CacheEvent, act: (event: CacheEvent) => void, failed: (error: unknown) => void): void {
    const { conversion } = this.#resource
    if (!conversion) return act(event)
    this.#last = this.#last
      .then(() => conversion.event(this.#resource, event))
      .then(act)
      .catch(failed)
  }

  /** After everything taken so far. */
  after(act: () => void): void {
    if (!this.#resource.conversion) return act()
    this.#last = this.#last.then(act)
  }
}
