// The refusal of an admission plugin, and what plugins ask of every request.
import { forbiddenError, StatusError } from '#api/status.ts'
import type { AdmissionRequest } from '#server/request.ts'

/** `pods "web" is forbidden: WHY`. */
export function denied({ attributes, object }: AdmissionRequest, why: string): StatusError {
  const name = attributes.name || object?.metadata?.name || object?.metadata?.generateName || ''
  return forbiddenError({ group: attributes.group, plural: attributes.resource }, name, why)
}

/** `pods`, `pods/binding`, `ingresses.networking.k8s.io`: what the request is for, in one text. */
export function target({ attributes: { resource, group, subresource } }: AdmissionRequest): string {
  return (group ? `${resource}.${group}` : resource) + (subresource ? `/${subresource}` : '')
}

/** What went wrong beside the request, told with its cause. */
export function internalError(error: Error): StatusError {
  return new StatusError('InternalError', `Internal error occurred: ${error.message}`, {
    details: { causes: [{ message: error.message }] },
    cause: error,
  })
}
