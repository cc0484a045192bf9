// Which autoscalers claim a pod, by the selectors of what they scale: two of them would pull it to and fro.
import type { Pod } from '#api/kinds/core/pod.ts'
import { matchesLabels, parseLabelSelector, type Selector } from '#api/label-selector.ts'
import type { ObjectKey } from '#api/object.ts'

export class ControlledPods {
  /** By namespace, then by the autoscaler's name. */
  readonly #selectors = new Map<string, Map<string, { text: string; selector: Selector }>>()

  /** Throws where the text is no selector. */
  select({ namespace = '', name }: ObjectKey, text: string): Selector {
    const own = this.#selectors.get(namespace) ?? new Map<string, { text: string; selector: Selector }>()
    const known = own.get(name)
    if (known?.text === text) return known.selector
    const selector = parseLabelSelector(text)
    this.#selectors.set(namespace, own)
    own.set(name, { text, selector })
    return selector
  }

  forget({ namespace = '', name }: ObjectKey): void {
    const own = this.#selectors.get(namespace)
    own?.delete(name)
    if (own?.size === 0) this.#selectors.delete(namespace)
  }

  /** Names, in order. */
  ownersOf(namespace: string, pods: readonly Pod[]): string[] {
    const claims = [...(this.#selectors.get(namespace) ?? [])]
    const owners = claims.filter(([, { selector }]) => pods.some(({ metadata }) => matchesLabels(selector, metadata?.labels)))
    return owners.map(([name]) => name).toSorted()
  }
}
