// The parameters a binding gives to its policy: one object by name, or all that a selector selects.
import type { ParamKind, ParamRef } from '#api/generated/types.ts'
import { matchesLabels, selectorOf } from '#api/label-selector.ts'
import type { Kind } from '#api/kind.ts'
import { type KubeObject, parseApiVersion } from '#api/object.ts'
import type { MatchSource } from '#server/admission/matching/match-index.ts'

/** A policy or binding that asks for what cannot be: its failurePolicy decides. */
export class Misconfigured extends Error {
  override name = 'Misconfigured'
}

/** What `configure` comes to; undefined where it cannot be, of which `failed` is told. */
export async function configured<T>(
  what: 'policy' | 'binding',
  configure: () => T | Promise<T>,
  failed: (message: string) => void,
): Promise<{ value: T } | undefined> {
  try {
    return { value: await configure() }
  } catch (error) {
    if (!(error instanceof Misconfigured)) throw error
    failed(`failed to configure ${what}: ${error.message}`)
    return undefined
  }
}

/** undefined where the policy has no parameters. Throws Misconfigured where nobody serves them. */
export function resolveParamKind({ registry }: MatchSource, paramKind: ParamKind | undefined): Kind | undefined {
  if (!paramKind) return undefined
  const { apiVersion = '', kind: name = '' } = paramKind
  const kind = registry.findKind(apiVersion, name)?.kind
  if (kind && !kind.virtual) return kind
  const { group, version } = parseApiVersion(apiVersion)
  throw new Misconfigured(`failed to find resource referenced by paramKind: '${group}/${version}, Kind=${name}'`)
}

interface Asked {
  kind: Kind | undefined
  paramRef: ParamRef | undefined
  /** Of the request. */
  namespace: string
}

/** `[undefined]`: to be evaluated once, without. Empty: not at all. Throws Misconfigured. */
export async function collectParams(source: MatchSource, { kind, paramRef, namespace }: Asked): Promise<(KubeObject | undefined)[]> {
  if (!kind || !paramRef) return [undefined]
  if (kind.scope === 'Cluster' && paramRef.namespace)
    throw new Misconfigured('paramRef.namespace must not be provided for a cluster-scoped `paramKind`')
  const within = kind.scope === 'Namespaced' ? paramRef.namespace || namespace : undefined
  if (within === '') throw new Misconfigured('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources')
  const found = await selected(source, { kind, paramRef, within })
  if (found.length === 0 && paramRef.parameterNotFoundAction === 'Deny')
    throw new Misconfigured('no params found for policy binding with `Deny` parameterNotFoundAction')
  return found
}

/** In the version the policy named. */
async function selected(
  { reader, registry }: MatchSource,
  { kind, paramRef, within }: { kind: Kind; paramRef: ParamRef; within: string | undefined },
): Promise<KubeObject[]> {
  const { conversion, cache, prefix } = registry.of(kind)
  const key = paramRef.name ? { name: paramRef.name, ...(within ? { namespace: within } : {}) } : undefined
  const selector = selectorOf(paramRef.selector)
  if (!conversion || !cache) {
    const objects = key ? [reader.get(kind, key) ?? []].flat() : reader.list(kind, within)
    return key ? [...objects] : [...objects].filter(({ metadata }) => matchesLabels(selector, metadata?.labels))
  }
  const place = within ? `${prefix}${within}/` : prefix!
  const stored = key
    ? [cache.get(place + key.name) ?? []].flat()
    : [...cache.list(place)].filter((one) => matchesLabels(selector, one.labels()))
  try {
    return (await conversion.read(registry.of(kind), stored)).map((one) => one.object())
  } catch (error) {
    throw new Misconfigured((error as Error).message, { cause: error })
  }
}
