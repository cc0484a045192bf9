// ConversionReview: the question put to a conversion webhook, and the objects in its answer.
import { isObject } from '#api/clone.ts'
import { parseApiVersion, type KubeObject } from '#api/object.ts'
import { textOf } from '#server/engine/text-of.ts'
import { parseReview, type ReadJson } from '#server/outgoing/review-body.ts'

const GROUP = 'apiextensions.k8s.io'

export function conversionBody(
  objects: readonly KubeObject[],
  { uid, version, desiredAPIVersion }: { uid: string; version: string; desiredAPIVersion: string },
): Promise<Buffer> {
  return textOf({ kind: 'ConversionReview', apiVersion: `${GROUP}/${version}`, request: { uid, desiredAPIVersion, objects } }, Infinity)
}

/** Throws an Error that says what is wrong. The objects are not looked at. */
export async function convertedObjects(
  body: Buffer,
  { uid, version, read }: { uid: string; version: string; read: ReadJson },
): Promise<unknown[]> {
  const review = await parseReview(body, read)
  const { kind, apiVersion, response } = review
  if (version === 'v1' && (kind !== 'ConversionReview' || apiVersion !== `${GROUP}/v1`)) {
    const found = parseApiVersion(typeof apiVersion === 'string' ? apiVersion : '')
    const text = `${found.group}/${found.version}, Kind=${typeof kind === 'string' ? kind : ''}`
    throw new Error(`expected webhook response of ${GROUP}/v1, Kind=ConversionReview, got ${text}`)
  }
  if (!isObject(response)) throw new Error('no response provided')
  if (version === 'v1' && response['uid'] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'] ?? '')}`)
  const result = isObject(response['result']) ? response['result'] : {}
  if (result['status'] !== 'Success') {
    const { message, status } = result
    throw new Error(
      typeof message === 'string' && message ? message : `response.result.status was '${String(status ?? '')}', not 'Success'`,
    )
  }
  const objects = response['convertedObjects']
  return Array.isArray(objects) ? objects : []
}
