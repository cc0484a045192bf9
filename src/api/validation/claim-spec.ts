// The spec of a PersistentVolumeClaim, alone and inside an ephemeral volume or a StatefulSet.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type { PersistentVolumeClaimSpec } from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { checkMessages, checkRequired, type Errors } from './checks.ts'
import { validateLabelSelector } from './label-selector.ts'
import { checkQuantity } from './resources.ts'

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']

/** `previous`: a group that a source already had may stay. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, path: string, previous?: PersistentVolumeClaimSpec): FieldError[] {
  const errors: FieldError[] = []
  if (!spec.accessModes?.length) errors.push(required(`${path}.accessModes`, 'at least 1 access mode is required'))
  errors.push(...validateLabelSelector(spec.selector, `${path}.selector`))
  checkModes(spec.accessModes, `${path}.accessModes`, errors)
  const storage = spec.resources?.requests?.['storage']
  const at = `${path}.resources[storage]`
  if (storage === undefined) errors.push(required(at))
  else if (checkQuantity(at, storage, errors) && quantityOf(storage).sign <= 0)
    errors.push(invalid(at, quantityOf(storage).toString(), 'must be greater than zero'))
  const { storageClassName, volumeMode, volumeAttributesClassName } = spec
  if (storageClassName) checkMessages(`${path}.storageClassName`, storageClassName, dnsSubdomain(storageClassName), errors)
  if (volumeMode !== undefined && volumeMode !== 'Block' && volumeMode !== 'Filesystem')
    errors.push(notSupported(`${path}.volumeMode`, volumeMode, ['Block', 'Filesystem']))
  checkSources(spec, path, previous, errors)
  if (volumeAttributesClassName)
    checkMessages(`${path}.volumeAttributesClassName`, volumeAttributesClassName, dnsSubdomain(volumeAttributesClassName), errors)
  return errors
}

/** Each known, and once-per-pod alone. */
export function checkModes(modes: string[] | undefined, path: string, errors: Errors): void {
  for (const mode of modes ?? []) if (!ACCESS_MODES.includes(mode)) errors.push(notSupported(path, mode, ACCESS_MODES))
  const known = new Set(modes?.filter((mode) => ACCESS_MODES.includes(mode)))
  if (known.has('ReadWriteOncePod') && known.size > 1) errors.push(forbidden(path, 'may not use ReadWriteOncePod with other access modes'))
}

function checkSources(
  spec: PersistentVolumeClaimSpec,
  path: string,
  previous: PersistentVolumeClaimSpec | undefined,
  errors: Errors,
): void {
  const { dataSource, dataSourceRef } = spec
  const lenient = previous?.dataSource?.apiGroup !== undefined || previous?.dataSourceRef?.apiGroup !== undefined
  for (const [field, source] of Object.entries({ dataSource, dataSourceRef })) {
    if (!source) continue
    const at = `${path}.${field}`
    const { name, kind, apiGroup } = source
    checkRequired(`${at}.name`, name, errors)
    checkRequired(`${at}.kind`, kind, errors)
    if (!apiGroup && kind !== 'PersistentVolumeClaim')
      errors.push(invalid(at, kind ?? '', "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
    if (apiGroup && !lenient) checkMessages(`${at}.apiGroup`, apiGroup, dnsSubdomain(apiGroup), errors)
    if (field === 'dataSourceRef' && dataSourceRef?.namespace)
      checkMessages(`${at}.namespace`, dataSourceRef.namespace, dnsLabel(dataSourceRef.namespace), errors)
  }
  if (!dataSource || !dataSourceRef) return
  const differs = (['apiGroup', 'kind', 'name'] as const).some((field) => dataSource[field] !== dataSourceRef[field])
  // Upstream passes a path for the value, which shows as nothing.
  if (dataSourceRef.namespace) errors.push(invalid(path, {}, 'may not be specified when dataSourceRef.namespace is specified'))
  else if (differs) errors.push(invalid(path, {}, 'must match dataSourceRef'))
}
