// namespaceSelector and objectSelector of webhooks and policies.
import type { LabelSelector } from '#api/generated/types.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { matchesLabels, type Selector, selectorOf } from '#api/label-selector.ts'
import type { KubeObject } from '#api/object.ts'
import { notFoundError, type StatusError } from '#api/status.ts'
import type { AdmissionRequest, ObjectReader } from '#server/request.ts'

/** undefined selects everything. Absent and empty mean the same here. */
export function optionalSelector(selector: LabelSelector | undefined): Selector | undefined {
  const compiled = selectorOf(selector ?? {})
  return compiled.requirements.length > 0 ? compiled : undefined
}

/** The namespace a request is in: absent for cluster-scoped ones, the object itself for a namespace being written. */
function namespaceOf({ attributes, object }: AdmissionRequest, reader: ObjectReader): Namespace | undefined {
  const { resource, group, namespace, name, subresource } = attributes
  if (resource === 'namespaces' && group === '') {
    if (object && !subresource) return object as Namespace
    return reader.get(Namespace, { name: name || namespace })
  }
  return namespace ? reader.get(Namespace, { name: namespace }) : undefined
}

/** The namespace that what is asked for is in; none for namespaces themselves. */
export function surroundings(request: AdmissionRequest, reader: ObjectReader): Namespace | undefined {
  const { resource, group } = request.attributes
  return resource === 'namespaces' && group === '' ? undefined : namespaceOf(request, reader)
}

/** A namespace that is not there is an error of its own: of interest only to whom the request concerns otherwise. */
export function namespaceSelected(selector: Selector | undefined, request: AdmissionRequest, reader: ObjectReader): boolean | StatusError {
  const { resource, group, namespace } = request.attributes
  if (!selector || (!namespace && !(resource === 'namespaces' && group === ''))) return true
  const found = namespaceOf(request, reader)
  if (!found) return notFoundError(Namespace, namespace)
  return matchesLabels(selector, found.metadata?.labels)
}

/** The object as it will be, or as it was: one of them is enough. */
export function objectSelected(selector: Selector | undefined, { object, oldObject }: AdmissionRequest): boolean {
  if (!selector) return true
  const selected = (one: KubeObject | undefined) => one?.metadata !== undefined && matchesLabels(selector, one.metadata.labels)
  return selected(object) || selected(oldObject)
}
