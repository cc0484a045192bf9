// Which of many webhooks or policies a request concerns. What depends on resource and operation alone is found out once for each of them, so
// requests that nobody wants cost one lookup, however many are configured.
import type { LabelSelector } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import type { Selector } from '#api/label-selector.ts'
import { StatusError } from '#api/status.ts'
import type { Registry } from '#server/registry.ts'
import type { AdmissionRequest, ObjectReader } from '#server/request.ts'
import { equivalentKinds } from './equivalents.ts'
import { nameMatches, type Rule, ruleMatches } from './rules.ts'
import { namespaceSelected, objectSelected, optionalSelector } from './selectors.ts'

/** A webhook, or the matchConstraints and matchResources of policies and bindings. */
export interface MatchCriteria {
  /** `rules` of a webhook. */
  resourceRules?: readonly Rule[] | undefined
  excludeResourceRules?: readonly Rule[] | undefined
  matchPolicy?: string | undefined
  namespaceSelector?: LabelSelector | undefined
  objectSelector?: LabelSelector | undefined
  /** What no rules at all mean: everything for policies and bindings, nothing (default) for webhooks. */
  everything?: boolean
}

/** In which of the kind's versions the request is to be seen. */
export interface Matched<T> {
  item: T
  kind: Kind
}

interface Compiled<T> {
  item: T
  criteria: MatchCriteria
  namespaces: Selector | undefined
  objects: Selector | undefined
}

/** What is left to ask of each request for one resource and operation. */
interface Candidate<T> {
  compiled: Compiled<T>
  excluded: Rule[]
  /** In order: the first rule whose names hold decides the version. Absent: the request's own. */
  included: { rule: Rule; kind: Kind }[] | undefined
}

export interface MatchSource {
  registry: Registry
  reader: ObjectReader
}

export class MatchIndex<T> {
  readonly #source: MatchSource
  readonly #compiled: Compiled<T>[]
  #candidates = new Map<string, Candidate<T>[]>()
  #generation = -1

  /** In the order of `items` matches are told. */
  constructor(items: Iterable<T>, criteriaOf: (item: T) => MatchCriteria, source: MatchSource) {
    this.#source = source
    this.#compiled = Array.from(items, (item) => {
      const criteria = criteriaOf(item)
      return {
        item,
        criteria,
        namespaces: optionalSelector(criteria.namespaceSelector),
        objects: optionalSelector(criteria.objectSelector),
      }
    })
  }

  get size(): number {
    return this.#compiled.length
  }

  /** Throws where it cannot be told whether the request concerns one (its namespace is not there). */
  match(request: AdmissionRequest): Matched<T>[] {
    if (this.#compiled.length === 0) return []
    const matched: Matched<T>[] = []
    for (const candidate of this.#of(request)) {
      const kind = this.#decide(candidate, request)
      if (kind) matched.push({ item: candidate.compiled.item, kind })
    }
    return matched
  }

  #of({ attributes: { group, version, resource, subresource }, operation, kind }: AdmissionRequest): Candidate<T>[] {
    const { registry } = this.#source
    if (this.#generation !== registry.generation) {
      this.#candidates = new Map()
      this.#generation = registry.generation
    }
    const key = `${group}/${version}/${resource}/${subresource}/${operation}`
    let found = this.#candidates.get(key)
    if (found) return found
    const kinds = equivalentKinds(registry, kind)
    found = this.#compiled.flatMap((compiled) => candidateOf(compiled, kinds, { subresource, operation }) ?? [])
    // Subresources are named by clients; those that are not served do not come this far, so the map stays as small as what is served.
    this.#candidates.set(key, found)
    return found
  }

  #decide({ compiled: { namespaces, objects }, excluded, included }: Candidate<T>, request: AdmissionRequest): Kind | undefined {
    const inNamespace = namespaceSelected(namespaces, request, this.#source.reader)
    if (inNamespace === false || !objectSelected(objects, request)) return undefined
    const { name } = request.attributes
    if (excluded.some((rule) => nameMatches(rule, name))) return undefined
    const kind = included ? included.find(({ rule }) => nameMatches(rule, name))?.kind : request.kind
    if (kind && inNamespace instanceof StatusError) throw inNamespace
    return kind
  }
}

function candidateOf<T>(
  compiled: Compiled<T>,
  kinds: readonly Kind[],
  target: { subresource: string; operation: string },
): Candidate<T> | undefined {
  const { resourceRules = [], excludeResourceRules = [], matchPolicy, everything } = compiled.criteria
  const considered = matchPolicy === 'Exact' ? kinds.slice(0, 1) : kinds
  const matching = (rules: readonly Rule[]) => {
    const about = (rule: Rule, { group, version, plural, scope }: Kind) =>
      ruleMatches(rule, { ...target, group, version, resource: plural, scope })
    const own = rules.filter((rule) => about(rule, considered[0]!)).map((rule) => ({ rule, kind: considered[0]! }))
    const others = rules.flatMap((rule) => considered.slice(1).flatMap((kind) => (about(rule, kind) ? [{ rule, kind }] : [])))
    return [...own, ...others]
  }
  const excluded = matching(excludeResourceRules).map(({ rule }) => rule)
  if (excluded.some((rule) => !rule.resourceNames?.length)) return undefined
  if (resourceRules.length === 0) return everything ? { compiled, excluded, included: undefined } : undefined
  const included = matching(resourceRules)
  return included.length > 0 ? { compiled, excluded, included } : undefined
}
