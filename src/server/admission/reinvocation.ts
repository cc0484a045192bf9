// Who is asked a second time. When a webhook or policy changed the object, all mutating plugins run once more; of webhooks and policies then only
// those that asked for it (reinvocationPolicy IfNeeded) and saw an older object than the one there is now. There is no third round.
import { clone } from '#api/clone.ts'
import { equal } from '#api/equal.ts'
import type { KubeObject } from '#api/object.ts'

/** Of one request. */
export class Reinvocation {
  /** The second round. */
  again = false
  /** Somebody changed the object in the first round. */
  needed = false
  /** Made for the first of them: most requests concern none. */
  #plugins: Map<string, PluginReinvocation> | undefined

  of(plugin: string): PluginReinvocation {
    this.#plugins ??= new Map()
    let own = this.#plugins.get(plugin)
    if (!own) {
      own = new PluginReinvocation(this)
      this.#plugins.set(plugin, own)
    }
    return own
  }
}

/** What one plugin (all webhooks, all policies) keeps from the first round for the second. Call `begin`, then for each `wants` and `done`, then `end`. */
class PluginReinvocation {
  readonly #round: Reinvocation
  #left: KubeObject | undefined
  /** Ran, and may run again. */
  #ran = new Set<string>()
  /** Is to run again. */
  readonly #due = new Set<string>()

  constructor(round: Reinvocation) {
    this.#round = round
  }

  begin(object: KubeObject | undefined): void {
    if (this.#round.again && this.#ran.size > 0 && !equal(object, this.#left)) this.#changed()
  }

  /** Whether `id` is to be asked in this round. */
  wants(id: string): boolean {
    return !this.#round.again || this.#due.has(id)
  }

  done(id: string, { changed, ifNeeded }: { changed: boolean; ifNeeded: boolean }): void {
    if (changed) {
      this.#changed()
      this.#round.needed = true
    }
    if (ifNeeded) this.#ran.add(id)
  }

  end(object: KubeObject | undefined): void {
    // Looked at again only for the sake of those who may run again.
    if (!this.#round.again && this.#ran.size > 0) this.#left = clone(object)
  }

  #changed(): void {
    for (const id of this.#ran) this.#due.add(id)
    this.#ran = new Set()
  }
}
