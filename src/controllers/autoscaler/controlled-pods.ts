// Which pods the selectors of autoscaled workloads find, and which autoscalers claim those: two of them would pull a pod to and fro. What was found in a
// list of pods holds for as long as informers hand that list out.
import type { Pod } from '#api/kinds/core/pod.ts'
import { matchesLabels, parseLabelSelector, type Selector } from '#api/label-selector.ts'
import type { ObjectKey } from '#api/object.ts'

export interface Found {
  pods: readonly Pod[]
  /** Names of the autoscalers that claim any of them, in order. */
  owners: readonly string[]
}

interface Claim {
  text: string
  selector: Selector
  /** What it found the last time. */
  last?: Found
}

export class ControlledPods {
  /** By namespace, then by the autoscaler's name. */
  readonly #selectors = new Map<string, Map<string, Claim>>()
  /** By list of a namespace's pods, then by selector. */
  #found = new WeakMap<readonly Pod[], Map<string, Found>>()

  /** Throws where the text is no selector. `pods` are those of the autoscaler's namespace. */
  find(autoscaler: ObjectKey, { text, pods }: { text: string; pods: readonly Pod[] }): Found {
    const claim = this.#claim(autoscaler, text)
    let found = this.#found.get(pods)
    if (!found) this.#found.set(pods, (found = new Map()))
    let one = found.get(text)
    if (!one) {
      const selected = pods.filter(({ metadata }) => matchesLabels(claim.selector, metadata?.labels))
      // Others have changed: what was worked out from these still holds.
      one = claim.last && haveSameItems(claim.last.pods, selected) ? claim.last : undefined
      one ??= { pods: selected, owners: this.#ownersOf(autoscaler.namespace ?? '', selected) }
      found.set(text, one)
    }
    return (claim.last = one)
  }

  forget({ namespace = '', name }: ObjectKey): void {
    const own = this.#selectors.get(namespace)
    if (own?.delete(name)) this.#forgetFound()
    if (own?.size === 0) this.#selectors.delete(namespace)
  }

  #claim({ namespace = '', name }: ObjectKey, text: string): Claim {
    const own = this.#selectors.get(namespace) ?? new Map<string, Claim>()
    const known = own.get(name)
    if (known?.text === text) return known
    const claim: Claim = { text, selector: parseLabelSelector(text) }
    this.#selectors.set(namespace, own)
    own.set(name, claim)
    this.#forgetFound()
    return claim
  }

  /** Who owns what may be another now. */
  #forgetFound(): void {
    this.#found = new WeakMap()
    for (const own of this.#selectors.values()) for (const claim of own.values()) delete claim.last
  }

  #ownersOf(namespace: string, pods: readonly Pod[]): string[] {
    const claims = [...(this.#selectors.get(namespace) ?? [])]
    const owners = claims.filter(([, { selector }]) => pods.some(({ metadata }) => matchesLabels(selector, metadata?.labels)))
    return owners.map(([name]) => name).toSorted()
  }
}

function haveSameItems<T>(left: readonly T[], right: readonly T[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index])
}
