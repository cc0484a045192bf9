// The bridge from client-side apply: what kubectl's last-applied annotation says it owned, and keeping the annotation in step.
import { equal } from '#api/equal.ts'
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { LAST_APPLIED_ANNOTATION } from '#api/well-known.ts'
import { compareObjects } from './compare.ts'
import { difference, type Fields, NO_FIELDS } from './fields.ts'
import { fieldSetOf } from './field-set.ts'

/** All annotations of an object together; one that would not fit is left out. */
const MAX_ANNOTATIONS_BYTES = 256 * 1024

/** Fields the annotation holds that still are in the object as it says: kubectl may take those over without a conflict. */
export function fieldsLastApplied(schema: Schema, live: KubeObject, apiVersion: string): Fields {
  const text = live.metadata?.annotations?.[LAST_APPLIED_ANNOTATION]
  if (text === undefined) return NO_FIELDS
  let applied: KubeObject
  try {
    applied = JSON.parse(text) as KubeObject
  } catch {
    return NO_FIELDS
  }
  if (typeof applied !== 'object' || applied === null || applied.apiVersion !== apiVersion) return NO_FIELDS
  const { added, modified, removed } = compareObjects(schema, applied, live)
  return difference(difference(difference(fieldSetOf(schema, applied), modified), added), removed)
}

/** Renews the annotation, where there is one, with what is applied now. Returns the object, changed or not. */
export function renewLastApplied(object: KubeObject, applied: KubeObject): KubeObject {
  const annotations = object.metadata?.annotations
  if (annotations?.[LAST_APPLIED_ANNOTATION] === undefined) return object
  const { managedFields: _, annotations: own = {}, ...metadata } = applied.metadata ?? {}
  const { [LAST_APPLIED_ANNOTATION]: __, ...kept } = own
  const text = `${JSON.stringify({ ...applied, metadata: { ...metadata, annotations: kept } })}\n`
  const { [LAST_APPLIED_ANNOTATION]: previous, ...others } = annotations
  if (previous === text || sameJson(previous, text)) return object
  const size = Object.entries(others).reduce(
    (sum, [key, value]) => sum + key.length + value.length,
    LAST_APPLIED_ANNOTATION.length + text.length,
  )
  const next = size > MAX_ANNOTATIONS_BYTES ? others : { ...others, [LAST_APPLIED_ANNOTATION]: text }
  return { ...object, metadata: { ...object.metadata, annotations: next } }
}

function sameJson(left: string, right: string): boolean {
  try {
    return equal(JSON.parse(left), JSON.parse(right))
  } catch {
    return false
  }
}
