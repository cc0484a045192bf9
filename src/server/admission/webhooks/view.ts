// The request's objects as a webhook sees them: in the version it asked for, and a Scale where the request is for one. And the way back.
import { clone, isObject } from '#api/clone.ts'
import type { Scale } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import { decodeInto } from '#api/schema/decode.ts'
import { StatusError } from '#api/status.ts'
import { mustBeSeenAs, putBack, seenAs } from '#server/admission/matching/equivalents.ts'
import { scaleOf, withReplicas } from '#server/engine/scale.ts'
import { nextTurn } from '#lib/paced.ts'
import { applyDefaults } from '#server/engine/schema.ts'
import { readOptions } from '#server/http/connect-options.ts'
import { bodyKind } from '#server/engine/subresource.ts'
import { MAX_OBJECT_BYTES, textOf } from '#server/engine/text-of.ts'
import type { BodyReader } from '#server/decoding/body-reader.ts'
import { readApart } from '#server/decoding/read-apart.ts'
import type { Registry } from '#server/registry.ts'
import type { AdmissionRequest } from '#server/request.ts'
import type { View } from './review.ts'

export async function viewOf(request: AdmissionRequest, kind: Kind, registry: Registry): Promise<View> {
  const { object, oldObject } = await mustBeSeenAs(request, kind, registry)
  if (!isScale(request)) return { kind, object, oldObject }
  const scale = (one: KubeObject | undefined) => one && scaleOf(kind, one)
  return { kind, object: scale(object), oldObject: scale(oldObject) }
}

/** The engine knows the parent alone. */
const isScale = ({ attributes, kind, object, oldObject }: AdmissionRequest): boolean =>
  attributes.subresource === 'scale' && kind.scale !== undefined && (object ?? oldObject)?.kind === kind.kind

export interface Adoption {
  view: View
  patched: unknown
  registry: Registry
  /** Reads it in this one's place, where that takes long. */
  apart?: Pick<BodyReader, 'read'>
}

/** Makes `patched`, which a webhook made of the view's object and is given away, the request's. Decoded and defaulted like anything that is sent. */
export async function adopt(request: AdmissionRequest, { view, patched, registry, apart }: Adoption): Promise<void> {
  const { kind, object } = view
  if (!isObject(patched) || (request.operation !== 'CONNECT' && !isObject(patched['metadata'])))
    throw new Error('the patched object has no metadata')
  const next = patched as KubeObject
  if (next.kind !== object!.kind || next.apiVersion !== object!.apiVersion)
    throw new Error(`the patch turned a ${object!.apiVersion} ${object!.kind} into a ${next.apiVersion} ${next.kind}`)
  if (request.operation === 'CREATE' && (next.metadata!.namespace ?? '') !== (object!.metadata?.namespace ?? ''))
    throw new StatusError('BadRequest', 'the namespace of the provided object does not match the namespace sent on the request')
  if (isScale(request)) {
    const { replicas = 0 } = (next as Scale).spec ?? {}
    if (!Number.isInteger(replicas)) throw new Error('spec.replicas: not a whole number')
    const parent = clone((await seenAs(request, kind, registry)).object!)
    return putBack(request, withReplicas(kind, parent, replicas), { kind, registry })
  }
  if (request.operation === 'CONNECT') return putBack(request, readOptions(patched), { kind, registry })
  const body = request.attributes.subresource && next.kind !== kind.kind ? bodyKind(kind, request.attributes.subresource) : kind
  const own = apart ? await decodedApart(apart, body, next) : decoded(body, next)
  own.kind = body.kind
  own.apiVersion = apiVersionOf(body)
  return putBack(request, own, { kind, registry, owned: true })
}

function decoded(kind: Kind, own: KubeObject): KubeObject {
  if (kind.decode) kind.decode(own)
  else decodeInto(own, kind.schema)
  applyDefaults(kind, own)
  return own
}

async function decodedApart(bodies: Pick<BodyReader, 'read'>, kind: Kind, next: KubeObject): Promise<KubeObject> {
  const body = await textOf(next, MAX_OBJECT_BYTES)
  const { value, decoded, fault } = await readApart(bodies, { format: 'json', body, expected: kind, fieldValidation: 'Ignore' })
  if (fault) throw fault
  const own = value as KubeObject
  if (!decoded) {
    await nextTurn()
    kind.decode?.(own)
    applyDefaults(kind, own)
  }
  return own
}
