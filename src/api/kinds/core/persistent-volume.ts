import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { accessModesText } from '#api/kinds/storage/access-modes.ts'
import { dnsSubdomain } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { validateNodeSelector } from '#api/validation/affinity.ts'
import { checkImmutable, checkMessages, checkOneOf, type Errors, presentMembers } from '#api/validation/checks.ts'
import { checkAccessModes } from '#api/validation/claim-spec.ts'
import { checkQuantity } from '#api/validation/resources.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { checkHostPath } from '#api/validation/volume-sources.ts'
import { formatTime } from '#lib/clock.ts'
import { storageClassOf } from '#api/volume-claims.ts'

export type PersistentVolume = types.PersistentVolume

const SOURCES = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
] as const

export const PersistentVolume = defineKind<PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  shortNames: ['pv'],
  scope: 'Cluster',
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  default(volume) {
    volume.status ??= {}
    volume.status.phase ||= 'Pending'
    const { spec } = volume
    if (!spec) return
    spec.persistentVolumeReclaimPolicy ||= 'Retain'
    spec.volumeMode ??= 'Filesystem'
    if (spec.hostPath) spec.hostPath.type ??= ''
    if (spec.iscsi) spec.iscsi.iscsiInterface ||= 'default'
    defaultResourceList(spec.capacity)
  },
  prepareForCreate(volume, { now }) {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: formatTime(now) }
  },
  prepareForUpdate(next, previous, { subresource, now }) {
    if (subresource !== 'status' || !next.status) return
    const before = previous.status?.lastPhaseTransitionTime
    if (next.status.phase !== previous.status?.phase) {
      if (!next.status.lastPhaseTransitionTime || next.status.lastPhaseTransitionTime === before)
        next.status.lastPhaseTransitionTime = formatTime(now)
    } else if (before && !next.status.lastPhaseTransitionTime) next.status.lastPhaseTransitionTime = before
  },
  validate: validateVolume,
  columns: [
    nameColumn,
    { name: 'Capacity', description: 'Size of the volume.', value: ({ spec }) => spec?.capacity?.['storage'] ?? '' },
    { name: 'Access Modes', description: 'How it may be mounted.', value: ({ spec }) => accessModesText(spec?.accessModes) },
    {
      name: 'Reclaim Policy',
      description: 'What becomes of it when released.',
      value: ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? '',
    },
    {
      name: 'Status',
      description: 'Whether a claim is bound to it.',
      value: ({ metadata, status }) => (metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? '')),
    },
    {
      name: 'Claim',
      description: 'The claim bound to it.',
      value: ({ spec }) => (spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : ''),
    },
    {
      name: 'StorageClass',
      description: 'Class it belongs to.',
      value: (volume) => storageClassOf(volume) ?? '',
    },
    {
      name: 'VolumeAttributesClass',
      description: 'Class of its attributes.',
      value: ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>',
    },
    { name: 'Reason', description: 'Why it is in its state.', value: ({ status }) => status?.reason ?? '' },
    ageColumn,
    { name: 'VolumeMode', priority: 1, description: 'A file system or a raw device.', value: ({ spec }) => spec?.volumeMode ?? '<unset>' },
  ],
})

function validateVolume(
  next: PersistentVolume,
  previous: PersistentVolume | undefined,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') return errors
  const spec = next.spec ?? {}
  if (!spec.accessModes?.length) errors.push(required('spec.accessModes'))
  else checkAccessModes(spec.accessModes, 'spec.accessModes', errors)
  const capacity = spec.capacity ?? {}
  if (Object.keys(capacity).length === 0) errors.push(required('spec.capacity'))
  else if (!('storage' in capacity) || Object.keys(capacity).length > 1)
    errors.push(notSupported('spec.capacity', Object.keys(capacity), ['storage']))
  for (const [name, amount] of Object.entries(capacity))
    if (checkQuantity(`spec.capacity[${name}]`, amount, errors) && quantityOf(amount).sign <= 0)
      errors.push(invalid(`spec.capacity[${name}]`, amount, 'must be greater than zero'))
  checkOneOf('spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain'], errors)
  checkSource(next, errors)
  if (spec.nodeAffinity) {
    if (!spec.nodeAffinity.required) errors.push(required('spec.nodeAffinity.required', 'must specify required node constraints'))
    errors.push(...validateNodeSelector(spec.nodeAffinity.required, 'spec.nodeAffinity.required'))
  }
  if (spec.hostPath?.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle')
    errors.push(forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"))
  if (spec.storageClassName) checkMessages('spec.storageClassName', spec.storageClassName, dnsSubdomain(spec.storageClassName), errors)
  checkOneOf('spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem'], errors)
  const old = previous?.spec
  if (!old) return errors
  const sources = (one: types.PersistentVolumeSpec) => Object.fromEntries(SOURCES.map((source) => [source, one[source]]))
  // A CSI driver may be given new secrets for expansion; nothing else of a source moves.
  if (!sameJson(withoutExpandSecret(sources(spec)), withoutExpandSecret(sources(old))))
    errors.push(forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'))
  checkImmutable('spec.volumeMode', spec.volumeMode, old.volumeMode, errors)
  if (old.nodeAffinity) checkImmutable('spec.nodeAffinity', spec.nodeAffinity, old.nodeAffinity, errors)
  return errors
}

function withoutExpandSecret(sources: Record<string, unknown>): Record<string, unknown> {
  const csi = sources['csi'] as types.CSIPersistentVolumeSource | undefined
  if (!csi) return sources
  const rest: Partial<types.CSIPersistentVolumeSource> = { ...csi }
  delete rest.controllerExpandSecretRef
  delete rest.nodeExpandSecretRef
  return { ...sources, csi: rest }
}

function checkSource({ spec = {} }: PersistentVolume, errors: Errors): void {
  const given = presentMembers(spec, SOURCES)
  if (given.length === 0) errors.push(required('spec', 'must specify a volume type'))
  for (const extra of given.slice(1)) errors.push(forbidden(`spec.${extra}`, 'may not specify more than 1 volume type'))
  if (spec.hostPath) checkHostPath(spec.hostPath, 'spec.hostPath', errors)
  if (spec.local) {
    if (!spec.local.path) errors.push(required('spec.local.path'))
    if (!spec.nodeAffinity) errors.push(required('spec.nodeAffinity', 'Local volume requires node affinity'))
  }
  if (spec.nfs) {
    if (!spec.nfs.server) errors.push(required('spec.nfs.server'))
    if (!spec.nfs.path) errors.push(required('spec.nfs.path'))
  }
  if (spec.csi) {
    if (!spec.csi.driver) errors.push(required('spec.csi.driver'))
    if (!spec.csi.volumeHandle) errors.push(required('spec.csi.volumeHandle'))
  }
}
