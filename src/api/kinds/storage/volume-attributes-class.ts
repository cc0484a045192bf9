import { defineKind } from '#api/define-kind.ts'
import { required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { qualifiedName } from '#api/names.ts'
import { checkFrozen, checkMessages, type Errors } from '#api/validation/checks.ts'
import { checkParameters } from './storage-class.ts'

export type VolumeAttributesClass = types.VolumeAttributesClass

export const VolumeAttributesClass = defineKind<VolumeAttributesClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  shortNames: ['vac'],
  scope: 'Cluster',
  validate(next, previous) {
    const errors: Errors = []
    if (previous)
      for (const field of ['driverName', 'parameters'] as const)
        checkFrozen(field, next[field], previous[field], errors, `updates to ${field} are forbidden.`)
    const driver = next.driverName?.toLowerCase()
    if (!driver) errors.push(required('driverName'))
    else checkMessages('driverName', driver, qualifiedName(driver), errors)
    checkParameters(next.parameters ?? {}, errors)
    if (Object.keys(next.parameters ?? {}).length === 0) errors.push(required('parameters', 'must contain at least one key/value pair'))
    return errors
  },
  columns: columnsOf<VolumeAttributesClass>({
    name: 'DriverName',
    description: 'Driver that knows the attributes.',
    value: ({ driverName }) => driverName ?? '',
  }),
})
