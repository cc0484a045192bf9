import { defineKind } from '#api/define-kind.ts'
import { defaultClaimSpec } from '#api/defaults/pod-spec.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { accessModesText } from '#api/kinds/storage/access-modes.ts'
import { quantityOf } from '#api/quantity.ts'
import type { Errors } from '#api/validation/checks.ts'
import { validateClaimSpec } from '#api/validation/claim-spec.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { storageClassOf } from '#api/volume-claims.ts'

export type PersistentVolumeClaim = types.PersistentVolumeClaim

const FROZEN = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'

export const PersistentVolumeClaim = defineKind<PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  shortNames: ['pvc'],
  scope: 'Namespaced',
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  default(claim) {
    claim.status ??= {}
    claim.status.phase ||= 'Pending'
    defaultResourceList(claim.status.capacity)
    defaultResourceList(claim.status.allocatedResources)
    if (claim.spec) defaultClaimSpec(claim.spec)
  },
  prepareForCreate(claim) {
    claim.status = { phase: 'Pending' }
    mirrorSources(claim.spec)
  },
  prepareForUpdate(next, _previous, { subresource }) {
    if (!subresource) mirrorSources(next.spec)
  },
  validate: validateClaim,
  columns: [
    nameColumn,
    {
      name: 'Status',
      description: 'Whether a volume is bound to it.',
      value: ({ metadata, status }) => (metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? '')),
    },
    { name: 'Volume', description: 'The volume bound to it.', value: ({ spec }) => spec?.volumeName ?? '' },
    {
      name: 'Capacity',
      description: 'Size of the volume.',
      value: ({ spec, status }) => (spec?.volumeName ? (status?.capacity?.['storage'] ?? '0') : ''),
    },
    {
      name: 'Access Modes',
      description: 'How it may be mounted.',
      value: ({ spec, status }) => (spec?.volumeName ? accessModesText(status?.accessModes) : ''),
    },
    {
      name: 'StorageClass',
      description: 'Class that provides the volume.',
      value: (claim) => storageClassOf(claim) ?? '',
    },
    {
      name: 'VolumeAttributesClass',
      description: 'Class of the attributes of the volume.',
      value: ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>',
    },
    ageColumn,
    { name: 'VolumeMode', priority: 1, description: 'A file system or a raw device.', value: ({ spec }) => spec?.volumeMode ?? '<unset>' },
  ],
})

/** The old field and the new one for what a claim is filled from say the same, where the old one can say it. */
function mirrorSources(spec: types.PersistentVolumeClaimSpec | undefined): void {
  if (!spec) return
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource }
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
    const { apiGroup, kind, name } = spec.dataSourceRef
    const known =
      (apiGroup ?? '') === '' ? kind === 'PersistentVolumeClaim' : apiGroup === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot'
    if (known) spec.dataSource = { ...(apiGroup ? { apiGroup } : {}), kind, name }
  }
}

function validateClaim(
  next: PersistentVolumeClaim,
  previous: PersistentVolumeClaim | undefined,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') return errors
  const spec = next.spec ?? {}
  errors.push(...validateClaimSpec(spec, 'spec'))
  const old = previous?.spec
  if (!old) return errors
  const bound = previous.status?.phase === 'Bound'
  // The volume is filled in by whoever binds, the class once by the server.
  const frozen = (one: types.PersistentVolumeClaimSpec, other: types.PersistentVolumeClaimSpec) => ({
    ...one,
    ...(other.volumeName ? {} : { volumeName: '' }),
    resources: { ...one.resources, requests: bound ? {} : one.resources?.requests },
    volumeAttributesClassName: bound ? '' : one.volumeAttributesClassName,
    ...(other.storageClassName === undefined && spec.storageClassName !== undefined && !old.volumeName ? { storageClassName: '' } : {}),
  })
  if (!sameJson(frozen(spec, old), frozen(old, old))) errors.push(forbidden('spec', FROZEN))
  const [now, before] = [spec.resources?.requests?.['storage'], old.resources?.requests?.['storage']]
  if (
    bound &&
    quantityOf(now).compare(quantityOf(before)) < 0 &&
    quantityOf(now).compare(quantityOf(previous.status?.capacity?.['storage'])) <= 0
  )
    errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'))
  const [attributes, oldAttributes] = [spec.volumeAttributesClassName, old.volumeAttributesClassName]
  if (oldAttributes && attributes === undefined)
    errors.push(forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden'))
  if (oldAttributes && attributes === '')
    errors.push(invalid('spec.volumeAttributesClassName', attributes, 'update from non-nil value to an empty string is forbidden'))
  return errors
}
