// Which objects of a resource a list or watch is about: by namespace, name, labels and fields. Parses an object only when a field of it is asked for.
import {
  checkFieldSelector,
  type FieldSelector,
  fieldValue,
  matchesFields,
  matchesValues,
  parseFieldSelector,
  requiredValue,
} from '#api/field-selector.ts'
import { matchesLabels, parseLabelSelector, type Selector } from '#api/label-selector.ts'
import type { ParsedCache, StoredObject } from '#server/cache/stored-object.ts'
import type { Resource, StoredResource } from '#server/registry.ts'
import { servedObject } from './encoding.ts'

export interface Selection {
  /** Keys of everything selected begin with it. */
  prefix: string
  /** The one key that can be selected, where a single name is asked for. */
  key: string | undefined
  labels: Selector | undefined
  fields: FieldSelector | undefined
}

export interface SelectionText {
  namespace?: string | undefined
  name?: string | undefined
  labelSelector?: string | undefined
  fieldSelector?: string | undefined
}

export function selectionOf(resource: StoredResource, { namespace, name, labelSelector, fieldSelector }: SelectionText): Selection {
  const labels = labelSelector ? parseLabelSelector(labelSelector) : undefined
  let fields = fieldSelector ? parseFieldSelector(fieldSelector) : undefined
  const namespaced = resource.kind.scope === 'Namespaced'
  let prefix = namespace && namespaced ? `${resource.prefix}${namespace}/` : resource.prefix
  let key: string | undefined
  if (fields) {
    checkFieldSelector(resource.kind, fields)
    const onlyName = requiredValue(fields, 'metadata.name')
    const onlyNamespace = requiredValue(fields, 'metadata.namespace')
    if (onlyNamespace && !namespace && namespaced) prefix = `${resource.prefix}${onlyNamespace}/`
    if (onlyName && (prefix !== resource.prefix || !namespaced)) {
      key = prefix + onlyName
      if (fields.length === 1) fields = undefined
    }
  } else if (name) key = prefix + name
  return { prefix, key, labels: labels?.requirements.length === 0 && !labels.nothing ? undefined : labels, fields }
}

/** Nothing but the key decides. */
export function selectsAll({ key, labels, fields }: Selection): boolean {
  return key === undefined && labels === undefined && fields === undefined
}

export function covers({ prefix, key }: Selection, candidate: string): boolean {
  return key === undefined ? candidate.startsWith(prefix) : candidate === key
}

/** Whether an object whose key is covered is selected. */
export function selects(
  selection: Selection,
  stored: StoredObject,
  { resource, recent }: { resource: Resource; recent: ParsedCache },
): boolean {
  if (selection.labels && !matchesLabels(selection.labels, stored.labels())) return false
  return !selection.fields || fieldsMatch(selection.fields, stored, { resource, recent })
}

/** An object is parsed for the first who asks for any field of it. */
function fieldsMatch(
  selector: FieldSelector,
  stored: StoredObject,
  { resource, recent }: { resource: Resource; recent: ParsedCache },
): boolean {
  const { kind } = resource
  // Versions differ in their fields.
  if (resource.converts) return matchesFields(kind, selector, servedObject(resource, stored, recent))
  return matchesValues(selector, (field) => stored.field(field, () => readFields(kind, stored, field)))
}

function readFields(kind: Resource['kind'], stored: StoredObject, wanted: string): string {
  const object = stored.glance()
  for (const field in kind.fields) if (field !== wanted) stored.field(field, () => fieldValue(kind, object, field))
  return fieldValue(kind, object, wanted)
}
