// The versions and groups one request could have been made in, and its objects as seen in another of them.
import { clone, deepFreeze } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type GroupVersionKind, type KubeObject } from '#api/object.ts'
import type { Conversion, Registry } from '#server/registry.ts'
import { internalError } from '#server/admission/refusal.ts'
import type { AdmissionRequest } from '#server/request.ts'

/** All kinds that show the same stored objects, the requested one first. Subresources have the same versions as what they are of. */
export function equivalentKinds(registry: Registry, kind: Kind): Kind[] {
  const own = registry.find(kind.group, kind.version, kind.plural)
  if (!own || own.prefix === undefined) return [kind]
  return [kind, ...registry.siblings(own).flatMap((other) => (other.kind === own.kind ? [] : [other.kind]))]
}

/** What the object of a request is: the subresource's own kind where it has one. */
export function objectKind(kind: Kind, subresource: string): GroupVersionKind {
  const own = subresource ? kind.subresources[subresource]?.kind : undefined
  return own ?? { group: kind.group, version: kind.version, kind: kind.kind }
}

/** In another version of the same kind; `own` is given away. What is a subresource's own stays as it is. */
function convertOwned(own: KubeObject, from: Kind, to: Kind): KubeObject {
  if (from === to || own.kind !== from.kind) return own
  // Versions of a custom resource are of one shape; what one does not know, others may.
  if (from.madeOf) return { ...own, apiVersion: apiVersionOf(to) }
  const storage = from.convert ? from.convert.toStorage(own) : own
  const converted = to.convert ? to.convert.fromStorage(storage) : storage
  return { ...converted, kind: to.kind, apiVersion: apiVersionOf(to) }
}

/** The request as if it had been made in `kind`'s version: frozen copies, for those who only look. */
export function viewAs(request: AdmissionRequest, kind: Kind): Pick<AdmissionRequest, 'object' | 'oldObject'> {
  const { object, oldObject } = request
  if (kind === request.kind) return { ...(object ? { object } : {}), ...(oldObject ? { oldObject } : {}) }
  return {
    ...(object ? { object: deepFreeze(convertOwned(clone(object), request.kind, kind)) } : {}),
    ...(oldObject ? { oldObject: deepFreeze(convertOwned(clone(oldObject), request.kind, kind)) } : {}),
  }
}

/** Puts what a mutation made of the object, in `kind`'s version, into the request: the object keeps its identity, its members are replaced. */
export function replaceObject(
  { object, kind: own }: AdmissionRequest,
  mutated: KubeObject,
  { kind, owned = false }: { kind: Kind; owned?: boolean },
): void {
  const target = object as Record<string, unknown>
  const source = convertOwned(owned ? mutated : clone(mutated), kind, own) as Record<string, unknown>
  for (const key of Object.keys(target)) delete target[key]
  Object.assign(target, source)
}

type Seen = Pick<AdmissionRequest, 'object' | 'oldObject'>

/** As `viewAs`, through whoever converts between the versions. */
export async function seenAs(request: AdmissionRequest, kind: Kind, registry: Registry): Promise<Seen> {
  const conversion = conversionOf(request, kind, registry)
  if (!conversion) return viewAs(request, kind)
  const { object, oldObject } = request
  const converted = await conversion.convert([...(object ? [object] : []), ...(oldObject ? [oldObject] : [])], kind)
  const [newer, older] = object ? converted : [undefined, converted[0]]
  return { ...(newer ? { object: deepFreeze(newer) } : {}), ...(older ? { oldObject: deepFreeze(older) } : {}) }
}

/** As `seenAs`, for plugins that can do nothing without it: whoever should convert and does not is an internal error. */
export async function mustBeSeenAs(request: AdmissionRequest, kind: Kind, registry: Registry): Promise<Seen> {
  try {
    return await seenAs(request, kind, registry)
  } catch (error) {
    throw internalError(error as Error)
  }
}

/** As `replaceObject`, through whoever converts between the versions. `owned`: it is given away. */
export async function putBack(
  request: AdmissionRequest,
  mutated: KubeObject,
  { kind, registry, owned = false }: { kind: Kind; registry: Registry; owned?: boolean },
): Promise<void> {
  const [converted] = (await conversionOf(request, kind, registry)?.convert([mutated], request.kind)) ?? []
  replaceObject(request, converted ?? mutated, { kind: converted ? request.kind : kind, owned: owned || converted !== undefined })
}

/** Who converts between the request's version and another one, where that is not done here. */
function conversionOf({ kind }: AdmissionRequest, other: Kind, registry: Registry): Conversion | undefined {
  return kind === other ? undefined : registry.find(kind.group, kind.version, kind.plural)?.conversion
}
