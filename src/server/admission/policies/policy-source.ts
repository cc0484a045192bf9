// The policies in force: each with its bindings, its expressions compiled when first needed. Follows the objects; what did not change is not compiled again.
import type { MatchResources } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { COMPILE_SLICE, type Compiling } from '#api/policies/compile.ts'
import { compareTexts } from '#lib/order.ts'
import { paced } from '#lib/paced.ts'
import { type MatchCriteria, MatchIndex, type MatchSource } from '#server/admission/matching/match-index.ts'

/** What both kinds of policies have. */
export interface AnyPolicy extends KubeObject {
  spec?: { matchConstraints?: MatchResources }
}

export interface AnyBinding extends KubeObject {
  spec?: { policyName?: string; matchResources?: MatchResources }
}

export interface ActivePolicy<P, B, C> {
  readonly name: string
  readonly policy: P
  readonly bindings: MatchIndex<B>
  compiled(): Promise<C>
}

interface Kinds<P extends AnyPolicy, B extends AnyBinding, C> {
  policies: Kind<P>
  bindings: Kind<B>
  compile(policy: P): Compiling<C>
}

export class PolicySource<P extends AnyPolicy, B extends AnyBinding, C> {
  readonly #kinds: Kinds<P, B, C>
  readonly #source: MatchSource
  #index: MatchIndex<ActivePolicy<P, B, C>> | undefined
  #active = new Map<string, ActivePolicy<P, B, C> & { version: string }>()
  #following = false

  constructor(kinds: Kinds<P, B, C>, source: MatchSource) {
    this.#kinds = kinds
    this.#source = source
  }

  /** Made anew after a change; until then requests pay for no policy they do not concern. */
  index(): MatchIndex<ActivePolicy<P, B, C>> {
    if (!this.#following) this.#follow()
    return (this.#index ??= this.#build())
  }

  #follow(): void {
    this.#following = true
    const stale = () => {
      this.#index = undefined
    }
    this.#source.reader.onChange(this.#kinds.policies, stale)
    this.#source.reader.onChange(this.#kinds.bindings, stale)
  }

  #build(): MatchIndex<ActivePolicy<P, B, C>> {
    const { reader } = this.#source
    const bindings = Map.groupBy(byName(reader.list(this.#kinds.bindings)), ({ spec }) => spec?.policyName ?? '')
    const before = this.#active
    this.#active = new Map()
    for (const policy of byName(reader.list(this.#kinds.policies))) {
      const name = nameOf(policy)
      const own = bindings.get(name)
      // Without a binding a policy does nothing.
      if (!own) continue
      const version = [policy, ...own].map(({ metadata }) => `${metadata?.uid}@${metadata?.generation}`).join()
      const known = before.get(name)
      this.#active.set(name, known?.version === version ? known : { ...this.#activate(policy, own), version })
    }
    return new MatchIndex(this.#active.values(), ({ policy }) => ({ ...policy.spec?.matchConstraints }) as MatchCriteria, this.#source)
  }

  #activate(policy: P, bindings: readonly B[]): ActivePolicy<P, B, C> {
    let compiled: Promise<C> | undefined
    return {
      name: nameOf(policy),
      policy,
      bindings: new MatchIndex(bindings, ({ spec }) => ({ ...spec?.matchResources, everything: true }) as MatchCriteria, this.#source),
      compiled: () => (compiled ??= paced(this.#kinds.compile(policy), COMPILE_SLICE)),
    }
  }
}

const nameOf = ({ metadata }: KubeObject): string => metadata?.name ?? ''

function byName<T extends KubeObject>(objects: Iterable<T>): T[] {
  return [...objects].sort((a, b) => compareTexts(nameOf(a), nameOf(b)))
}
