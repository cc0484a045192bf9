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

export class ControlledPods {
  /** By namespace, then by the autoscaler's name. */
  readonly #selectors = new Map<string, Map<string, { text: string; selector: Selector }>>()
  /** By list of a namespace's pods, then by selector. */
  #found = new WeakMap<readonly Pod[], Map<string, Found>>()

  /** Throws where the text is no selector. `pods` are those of the autoscaler's namespace. */
  find(autoscaler: ObjectKey, { text, pods }: { text: string; pods: readonly Pod[] }): Found {
    const selector = this.#select(autoscaler, text)
    let found = this.#found.get(pods)
    if (!found) this.#found.set(pods, (found = new Map()))
    let one = found.get(text)
    if (!one) {
      const selected = pods.filter(({ metadata }) => matchesLabels(selector, metadata?.labels))
      found.set(text, (one = { pods: selected, owners: this.#ownersOf(autoscaler.namespace ?? '', selected) }))
    }
    return one
  }

  forget({ namespace = '', name }: ObjectKey): void {
    const own = this.#selectors.get(namespace)
    if (own?.delete(name)) this.#found = new WeakMap()
    if (own?.size === 0) this.#selectors.delete(namespace)
  }

  #select({ namespace = '', name }: ObjectKey, text: string): Selector {
    const own = this.#selectors.get(namespace) ?? new Map<string, { text: string; selector: Selector }>()
    const known = own.get(name)
    if (known?.text === text) return known.selector
    const selector = parseLabelSelector(text)
    this.#selectors.set(namespace, own)
    own.set(name, { text, selector })
    this.#found = new WeakMap()
    return selector
  }

  #ownersOf(namespace: string, pods: readonly Pod[]): string[] {
    const claims = [...(this.#selectors.get(namespace) ?? [])]
    const owners = claims.filter(([, { selector }]) => pods.some(({ metadata }) => matchesLabels(selector, metadata?.labels)))
    return owners.map(([name]) => name).toSorted()
  }
}
