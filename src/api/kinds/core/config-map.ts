import { defineKind } from '#api/define-kind.ts'
import { type FieldError, forbidden, invalid, tooLong } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { configMapKey } from '#api/names.ts'
import { checkMessages, type Errors } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'

export type ConfigMap = types.ConfigMap

export const DATA_LIMIT = 1024 * 1024

export const ConfigMap = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  scope: 'Namespaced',
  validate: validateConfigMap,
  columns: columnsOf<ConfigMap>({
    name: 'Data',
    description: 'Number of entries.',
    value: ({ data, binaryData }) => Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
  }),
})

function validateConfigMap(next: ConfigMap, previous?: ConfigMap): FieldError[] {
  const errors: Errors = []
  const { data = {}, binaryData = {} } = next
  if (previous) checkFrozenData(next, previous, ['data', 'binaryData'], errors)
  let size = 0
  for (const [key, value] of Object.entries(data)) {
    checkMessages(`data[${key}]`, key, configMapKey(key), errors)
    if (Object.hasOwn(binaryData, key)) errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    size += Buffer.byteLength(value)
  }
  for (const [key, value] of Object.entries(binaryData)) {
    checkMessages(`binaryData[${key}]`, key, configMapKey(key), errors)
    size += Buffer.byteLength(value, 'base64')
  }
  // Upstream names no field here, and spells its empty name so.
  if (size > DATA_LIMIT) errors.push(tooLong('[]', DATA_LIMIT))
  return errors
}

interface Freezable {
  immutable?: boolean
  data?: unknown
  binaryData?: unknown
}

/** Secrets freeze the same way. */
export function checkFrozenData(next: Freezable, previous: Freezable, fields: readonly ('data' | 'binaryData')[], errors: Errors): void {
  if (!previous.immutable) return
  const message = 'field is immutable when `immutable` is set'
  if (!next.immutable) errors.push(forbidden('immutable', message))
  for (const field of fields) if (!sameJson(next[field], previous[field])) errors.push(forbidden(field, message))
}
