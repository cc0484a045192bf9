import { defineKind } from '#api/define-kind.ts'
import { defaultClaimSpec } from '#api/defaults/pod-spec.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { accessModesText } from '#api/kinds/storage/access-modes.ts'
import { qualifiedName } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { checkImmutable, checkMessages, type Errors } from '#api/validation/checks.ts'
import { validateClaimSpec } from '#api/validation/claim-spec.ts'
import { difference } from '#api/validation/internal-form.ts'
import { checkQuantity, isNative } from '#api/validation/resources.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import { STORAGE_CLASS_ANNOTATION } from '#api/well-known.ts'
import { claimWarnings } from './claim-warnings.ts'

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
  warnings: claimWarnings,
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
  if (subresource === 'status') return validateStatus(next)
  const spec = next.spec ?? {}
  const errors: Errors = validateClaimSpec(spec, 'spec', previous?.spec)
  const old = previous?.spec
  if (!old) return errors
  const [now, before] = [{ ...spec }, { ...old }]
  // The volume is filled in once, by whoever binds.
  if (!old.volumeName) assign(before, 'volumeName', spec.volumeName)
  const [classed, annotated] = [next, previous].map(({ metadata }) => metadata?.annotations?.[STORAGE_CLASS_ANNOTATION])
  if (
    annotated !== undefined &&
    old.storageClassName === undefined &&
    spec.storageClassName === annotated &&
    (classed ?? annotated) === annotated
  )
    delete now.storageClassName
  else {
    checkImmutable(`metadata.annotations[${STORAGE_CLASS_ANNOTATION}]`, classed ?? '', annotated ?? '', errors)
    if (old.storageClassName === undefined && (annotated === undefined || annotated === spec.storageClassName)) delete now.storageClassName
  }
  const bound = next.status?.phase === 'Bound'
  const [size, oldSize] = [spec.resources?.requests?.['storage'], old.resources?.requests?.['storage']]
  if (bound && spec.resources?.requests)
    now.resources = { ...spec.resources, requests: { ...spec.resources.requests, storage: oldSize ?? '0' } }
  if (bound) assign(now, 'volumeAttributesClassName', old.volumeAttributesClassName)
  if (!sameJson(now, before)) errors.push(forbidden('spec', `${FROZEN}\n${difference('PersistentVolumeClaimSpec', before, now)}`))
  // A size that was never reached may be given up.
  const capacity = quantityOf(previous.status?.capacity?.['storage'])
  if (quantityOf(size).compare(quantityOf(oldSize)) < 0 && quantityOf(size).compare(capacity) <= 0)
    errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'))
  checkImmutable('volumeMode', spec.volumeMode, old.volumeMode, errors)
  const applied = previous.status?.currentVolumeAttributesClassName !== undefined
  if (applied && spec.volumeAttributesClassName !== old.volumeAttributesClassName && !spec.volumeAttributesClassName)
    errors.push(
      forbidden(
        'spec.volumeAttributesClassName',
        `update to ${spec.volumeAttributesClassName === undefined ? 'nil' : 'empty string'} is forbidden when status.currentVolumeAttributesClassName is not nil`,
      ),
    )
  return errors
}

function assign<T extends object, K extends keyof T>(object: T, field: K, value: T[K] | undefined): void {
  if (value === undefined) delete object[field]
  else object[field] = value
}

const RESIZE_STATES = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
]

function validateStatus({ spec, status }: PersistentVolumeClaim): FieldError[] {
  const errors: Errors = []
  if (!spec?.accessModes?.length) errors.push(required('Spec.accessModes'))
  const checkSize = (at: string, amount: string) => {
    if (!checkQuantity(at, amount, errors)) return false
    const size = quantityOf(amount).value()
    if (size < 0) errors.push(invalid(at, size, 'must be a valid resource quantity'))
    return size >= 0
  }
  for (const [name, amount] of Object.entries(status?.capacity ?? {})) checkSize(`status.capacity[${name}]`, amount)
  for (const [name, state] of Object.entries(status?.allocatedResourceStatuses ?? {})) {
    const at = 'status.allocatedResourceStatuses'
    checkKey(at, name, errors)
    if (!RESIZE_STATES.includes(state)) errors.push(notSupported(at, name, RESIZE_STATES))
  }
  for (const [name, amount] of Object.entries(status?.allocatedResources ?? {}))
    if (checkKey('status.allocatedResources', name, errors)) checkSize(`status.allocatedResources[${name}]`, amount)
  return errors
}

/** Of the platform's own resources a claim has storage alone. */
function checkKey(path: string, name: string, errors: Errors): boolean {
  const messages = qualifiedName(name)
  checkMessages(path, name, messages, errors)
  const foreign = messages.length === 0 && isNative(name) && name !== 'storage'
  if (foreign) errors.push(notSupported(path, name, ['storage']))
  return messages.length === 0 && !foreign
}
