// The spec of a PersistentVolumeClaim, alone and inside an ephemeral volume or a StatefulSet.
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { PersistentVolumeClaimSpec } from '#api/generated/types.ts'
import { dnsSubdomain } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { checkMessages, checkOneOf, type Errors } from './checks.ts'
import { validateLabelSelector } from './label-selector.ts'
import { checkQuantity } from './resources.ts'
import { sameJson } from './same-json.ts'

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']

export function validateClaimSpec(spec: PersistentVolumeClaimSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  checkAccessModes(spec.accessModes, `${path}.accessModes`, errors)
  errors.push(...validateLabelSelector(spec.selector, `${path}.selector`))
  const storage = spec.resources?.requests?.['storage']
  if (storage === undefined) errors.push(required(`${path}.resources[storage]`))
  else if (checkQuantity(`${path}.resources[storage]`, storage, errors) && quantityOf(storage).sign <= 0)
    errors.push(invalid(`${path}.resources[storage]`, storage, 'must be greater than zero'))
  if (spec.storageClassName) checkMessages(`${path}.storageClassName`, spec.storageClassName, dnsSubdomain(spec.storageClassName), errors)
  checkOneOf(`${path}.volumeMode`, spec.volumeMode, ['Block', 'Filesystem'], errors)
  checkSources(spec, path, errors)
  if (spec.volumeAttributesClassName)
    checkMessages(`${path}.volumeAttributesClassName`, spec.volumeAttributesClassName, dnsSubdomain(spec.volumeAttributesClassName), errors)
  return errors
}

export function checkAccessModes(modes: string[] | undefined, path: string, errors: Errors): void {
  if (!modes?.length) errors.push(required(path, 'at least 1 access mode is required'))
  for (const mode of modes ?? []) checkOneOf(path, mode, ACCESS_MODES, errors)
  if (modes?.includes('ReadWriteOncePod') && new Set(modes).size > 1)
    errors.push(forbidden(path, 'may not use ReadWriteOncePod with other access modes'))
}

function checkSources(spec: PersistentVolumeClaimSpec, path: string, errors: Errors): void {
  for (const field of ['dataSource', 'dataSourceRef'] as const) {
    const source = spec[field]
    if (!source) continue
    const at = `${path}.${field}`
    if (!source.name) errors.push(required(`${at}.name`))
    if (!source.kind) errors.push(required(`${at}.kind`))
    if (!source.apiGroup && source.kind !== 'PersistentVolumeClaim')
      errors.push(invalid(at, source.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
  }
  const { dataSource, dataSourceRef } = spec
  if (dataSourceRef?.namespace) {
    if (dataSource) errors.push(invalid(path, `${path}.dataSource`, 'may not be specified when dataSourceRef.namespace is specified'))
  } else if (dataSource && dataSourceRef && !sameJson(dataSource, dataSourceRef))
    errors.push(invalid(path, `${path}.dataSource`, 'must match dataSourceRef'))
}
