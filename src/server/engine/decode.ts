// What the engine makes of objects whose JSON is already read: types checked, canonical, defaulted; unknown fields refused, warned of or dropped.
import { type FieldValidation, notRegistered } from '#api/codec/decode-body.ts'
import { clone, setOwn } from '#api/clone.ts'
import { invalid } from '#api/field-error.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type GroupVersionKind, type KubeObject, type ObjectMeta, parseApiVersion } from '#api/object.ts'
import { DecodeError, decodeInto, type WalkOptions } from '#api/schema/decode.ts'
import { withPlainNumbers } from '#api/schema/numeral.ts'
import { invalidError, StatusError } from '#api/status.ts'
import type { PatchBody } from '#api/patch/patch.ts'
import { goText } from '#lib/go-text.ts'
import { conversionError } from './go-text.ts'
import { applyDefaults } from './schema.ts'

export type { FieldValidation }

export interface DecodeOptions {
  fieldValidation: FieldValidation
  warn(text: string): void
  /** The patch the value came from. */
  patch?: PatchBody
  /** See `leavesRest`. */
  present?: KubeObject | undefined
  /** Whether there is such a kind: it decides the words of the refusal. */
  isKnown?: ((kind: GroupVersionKind) => boolean) | undefined
}

/**
 * Whether all of the object but metadata and status is what is there already: read, canonical and defaulted, and frozen. A write of status then has
 * no more to read than those two.
 */
export function leavesRest(kind: Kind, next: KubeObject, present: KubeObject): boolean {
  if (kind.decode || kind.defaultsWhole) return false
  return Object.keys(next).every((name) => OWN.has(name) || member(next, name) === member(present, name))
}

const OWN = new Set(['kind', 'apiVersion', 'metadata', 'status'])
const member = (object: KubeObject, name: string) => (object as unknown as Record<string, unknown>)[name]

/** The outcome of a patch; what is wrong with it is the patch's fault. `value` is the decoder's to change. */
export function decodePatched(
  kind: Kind,
  value: KubeObject,
  { fieldValidation, warn, patch, present, isKnown }: DecodeOptions,
): KubeObject {
  const badPatch = (patched: KubeObject, why: string) => refusedPatch(patched, why, patch)
  const found = { kind: value.kind ?? '', apiVersion: value.apiVersion ?? '' }
  const named = { kind: kind.kind, apiVersion: apiVersionOf(kind) }
  // Strategic patches are made of what was read already: nobody asks the outcome what it is.
  const strategic = patch?.type === 'strategic'
  if (!strategic && (found.kind !== named.kind || found.apiVersion !== named.apiVersion))
    throw badPatch(value, wrongKind(kind, found, isKnown))
  const { own, shared } = present ? ownParts(value, present) : { own: value }
  // Custom kinds, as Go's maps, take numbers however they are spelled.
  if (patch?.numerals && kind.decode) withPlainNumbers(own)
  const { unknown } = walk(kind, own, { refusal: (message) => badPatch(value, message), converts: strategic })
  if (patch?.numerals && !kind.decode) withPlainNumbers(own)
  if (strategic) Object.assign(own, named)
  const complaints = [...(patch?.complaints ?? []), ...unknown.map((path) => `unknown field ${JSON.stringify(path)}`)]
  if (complaints.length > 0 && fieldValidation === 'Strict') throw badPatch(value, `strict decoding error: ${complaints.join(', ')}`)
  if (fieldValidation === 'Warn') for (const complaint of complaints) warn(complaint)
  const next = settled(kind, own)
  return present ? withRest(next, { present, shared }) : next
}

interface OwnParts {
  /** Copies, to be read. */
  own: KubeObject
  /** Members of metadata that are the very ones of the present object: read, canonical and frozen. */
  shared: ObjectMeta | undefined
}

/** What of metadata and status is not there already; the rest of the object stays out of it. */
function ownParts(value: KubeObject, present: KubeObject): OwnParts {
  const { own: metadata, shared } = ownMetadata(value.metadata, present.metadata)
  const own: Record<string, unknown> = {}
  for (const name of Object.keys(value)) if (OWN.has(name)) own[name] = name === 'metadata' ? metadata : clone(member(value, name))
  return { own: own as unknown as KubeObject, shared }
}

function ownMetadata(
  given: ObjectMeta | undefined,
  present: ObjectMeta = {},
): { own: ObjectMeta | undefined; shared: ObjectMeta | undefined } {
  if (typeof given !== 'object' || given === null) return { own: given, shared: undefined }
  const own: Record<string, unknown> = {}
  const shared: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === 'object' && value !== null && value === present[name as keyof ObjectMeta]) shared[name] = value
    else setOwn(own, name, clone(value))
  }
  return { own: own as ObjectMeta, shared: shared as ObjectMeta }
}

/** The rest as it is there, each member in its place. */
function withRest(own: KubeObject, { present, shared }: { present: KubeObject; shared: ObjectMeta | undefined }): KubeObject {
  Object.assign(own.metadata ?? {}, shared)
  const { managedFields } = present.metadata ?? {}
  if (managedFields && own.metadata) own.metadata.managedFields ??= managedFields
  const next: Record<string, unknown> = {}
  for (const name of Object.keys(present)) {
    const value = member(OWN.has(name) ? own : present, name)
    if (value !== undefined) next[name] = value
  }
  for (const name of OWN) if (!(name in next) && member(own, name) !== undefined) next[name] = member(own, name)
  return next as unknown as KubeObject
}

/** Strategic patches are shown as such, and converted without JSON in between; of others the outcome is shown. */
function refusedPatch(patched: KubeObject, why: string, patch: PatchBody | undefined): StatusError {
  const [shown, reason] = patch?.type === 'strategic' ? [goText(patch.patch), conversionError(why)] : [JSON.stringify(patched), why]
  return invalidError({ group: '', kind: '' }, '', [invalid('patch', shown, reason)])
}

function wrongKind({ group, kind }: Kind, found: { kind: string; apiVersion: string }, isKnown: DecodeOptions['isKnown']): string {
  const said = { ...parseApiVersion(found.apiVersion), kind: found.kind }
  const { version } = said
  if (isKnown && !isKnown(said)) return notRegistered(said)
  return `converting (${version}.${found.kind}) to (${group === '' ? 'core' : group.split('.', 1)[0]}.${kind}): unknown conversion`
}

/** An object handed in by code of this process; it is the decoder's to change. */
export function decodeLocal(kind: Kind, value: KubeObject): KubeObject {
  const { unknown } = walk(kind, value, { refusal: (message) => cannotHandle(kind, message) })
  if (unknown.length > 0) throw cannotHandle(kind, `unknown field ${JSON.stringify(unknown[0])}`)
  return settled(kind, value)
}

/** The same for an update; the object is copied, but for members of metadata that are those of the present one. */
export function decodeLocalUpdate(kind: Kind, value: KubeObject, present: KubeObject | undefined): KubeObject {
  if (kind.decode || !present) return decodeLocal(kind, clone(value))
  const { own: metadata, shared } = ownMetadata(value.metadata, present.metadata)
  const own: Record<string, unknown> = {}
  for (const name of Object.keys(value)) own[name] = name === 'metadata' ? metadata : clone(member(value, name))
  const next = decodeLocal(kind, own as unknown as KubeObject)
  Object.assign(next.metadata ?? {}, shared)
  return next
}

/** The same for a write of status: nothing else of it counts, and it is copied. */
export function decodeLocalStatus(kind: Kind, value: KubeObject, present: KubeObject): KubeObject {
  if (kind.decode || kind.defaultsWhole) return decodeLocal(kind, clone(value))
  const { own, shared } = ownParts(value, present)
  return withRest(decodeLocal(kind, own), { present, shared })
}

function walk(
  kind: Kind,
  value: KubeObject,
  { refusal, ...options }: WalkOptions & { refusal(message: string): StatusError },
): { unknown: string[] } {
  try {
    return kind.decode ? { unknown: kind.decode(value) } : decodeInto(value, kind.schema, options)
  } catch (error) {
    if (error instanceof DecodeError) throw refusal(error.message)
    throw error
  }
}

function settled(kind: Kind, object: KubeObject): KubeObject {
  object.kind = kind.kind
  object.apiVersion = apiVersionOf(kind)
  applyDefaults(kind, object)
  return object
}

function cannotHandle(kind: Kind, why: string): StatusError {
  return new StatusError(
    'BadRequest',
    `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: ${why}`,
  )
}
