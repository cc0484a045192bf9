// AdmissionReview: the question put to a webhook, and what counts as an answer. Answers are read member by member: nothing of them is trusted.
import { isObject } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { parseApiVersion } from '#api/object.ts'
import type { Status } from '#api/status.ts'
import { objectKind } from '#server/admission/matching/equivalents.ts'
import { textOf } from '#server/engine/text-of.ts'
import { parseReview, type ReadJson } from '#server/outgoing/review-body.ts'
import type { AdmissionRequest } from '#server/request.ts'

/** Object and old object in the version the webhook asked for. */
export interface View {
  kind: Kind
  object: KubeObject | undefined
  oldObject: KubeObject | undefined
}

export const REVIEW_VERSIONS = ['v1', 'v1beta1']

/** Without uid and objects: what expressions call `request`. */
export function requestOf({ attributes, operation, kind: asked, dryRun, options }: AdmissionRequest, kind: Kind): Record<string, unknown> {
  const { subresource, name, namespace, user } = attributes
  const { username, uid, groups, extra } = user
  return {
    kind: shown(objectKind(kind, subresource)),
    resource: { group: kind.group, version: kind.version, resource: kind.plural },
    ...(subresource ? { subResource: subresource } : {}),
    requestKind: shown(objectKind(asked, subresource)),
    requestResource: { group: attributes.group, version: attributes.version, resource: attributes.resource },
    ...(subresource ? { requestSubResource: subresource } : {}),
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
    operation,
    userInfo: { username, ...(uid ? { uid } : {}), groups, ...(extra && Object.keys(extra).length > 0 ? { extra } : {}) },
    dryRun,
    options: options ?? null,
  }
}

const shown = ({ group, version, kind }: { group: string; version: string; kind: string }) => ({ group, version, kind })

export function reviewBody(request: AdmissionRequest, view: View, { uid, version }: { uid: string; version: string }): Promise<Buffer> {
  const { dryRun, options, ...head } = requestOf(request, view.kind)
  const asked = { uid, ...head, object: view.object ?? null, oldObject: view.oldObject ?? null, dryRun, options }
  return textOf({ kind: 'AdmissionReview', apiVersion: `admission.k8s.io/${version}`, request: asked }, Infinity)
}

export interface ReviewAnswer {
  allowed: boolean
  status: Partial<Status> | undefined
  /** Base64, decoded. */
  patch: Buffer | undefined
  patchType: string
  warnings: string[]
  auditAnnotations: [string, string][]
}

/** Throws an Error that says what is wrong with it. */
export async function readAnswer(
  body: Buffer,
  { uid, version, mutating, read }: { uid: string; version: string; mutating: boolean; read: ReadJson },
): Promise<ReviewAnswer> {
  if (body.length === 0) throw new Error('0-length response with status code: 200 and content type: application/json')
  const review = await parseReview(body, read)
  const response = review['response']
  if (!isObject(response)) throw new InvalidAnswer('webhook response was absent')
  if (version === 'v1') checkV1(review, response, { uid, mutating })
  const patch = typeof response['patch'] === 'string' && response['patch'] ? Buffer.from(response['patch'], 'base64') : undefined
  const { status, warnings, auditAnnotations } = response
  return {
    allowed: response['allowed'] === true,
    status: isObject(status) ? readStatus(status) : undefined,
    patch: mutating ? patch : undefined,
    patchType: typeof response['patchType'] === 'string' ? response['patchType'] : 'JSONPatch',
    warnings: Array.isArray(warnings) ? warnings.filter((one) => typeof one === 'string') : [],
    auditAnnotations: isObject(auditAnnotations)
      ? Object.entries(auditAnnotations).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      : [],
  }
}

/** Came, but is not what was asked for. */
export class InvalidAnswer extends Error {}

function checkV1(
  review: Record<string, unknown>,
  response: Record<string, unknown>,
  { uid, mutating }: { uid: string; mutating: boolean },
): void {
  const refuse = (why: string) => {
    throw new InvalidAnswer(why)
  }
  const { uid: given, patch, patchType } = response
  if (given !== uid) refuse(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(given ?? '')}`)
  const { apiVersion, kind } = review
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
    const { group, version } = parseApiVersion(typeof apiVersion === 'string' ? apiVersion : '')
    const found = `${group}/${version}, Kind=${typeof kind === 'string' ? kind : ''}`
    refuse(`expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${found}`)
  }
  if (!mutating && patch) refuse('validating webhook may not return response.patch')
  if (!mutating && patchType !== undefined && patchType !== null) refuse('validating webhook may not return response.patchType')
  if (patch && (patchType === undefined || patchType === null)) refuse('webhook returned response.patch but not response.patchType')
  if (!patch && patchType) refuse('webhook returned response.patchType but not response.patch')
  if (patchType === '') refuse('webhook returned invalid response.patchType of ""')
}

function readStatus(status: Record<string, unknown>): Partial<Status> {
  const { message, reason, code, details } = status
  return {
    ...(typeof message === 'string' ? { message } : {}),
    ...(typeof reason === 'string' ? { reason } : {}),
    ...(typeof code === 'number' && Number.isInteger(code) ? { code } : {}),
    ...(isObject(details) ? { details } : {}),
  }
}
