import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { accessModesText } from '#api/kinds/storage/access-modes.ts'
import { checkImmutable, type Errors, IMMUTABLE } from '#api/validation/checks.ts'
import { difference, internalForm } from '#api/validation/internal-form.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { VOLUME_SOURCES, validateVolumeSpec } from '#api/validation/volume-spec.ts'
import { formatTime } from '#lib/clock.ts'
import { storageClassOf } from '#api/volume-claims.ts'
import { OLD_REGION_LABEL, OLD_ZONE_LABEL, REGION_LABEL, ZONE_LABEL } from '#api/well-known.ts'
import { volumeWarnings } from './claim-warnings.ts'

export type PersistentVolume = types.PersistentVolume

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
  warnings: volumeWarnings,
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
  const spec = next.spec ?? {}
  if (subresource === 'status') return []
  const errors: Errors = validateVolumeSpec(spec, 'spec', { name: next.metadata?.name ?? '' })
  const old = previous?.spec
  if (!old) return errors
  const [now, before] = [sourceOf(spec), sourceOf(old)]
  // Secrets for expansion may be given later; nothing else of a source moves.
  if (now.csi && before.csi && !before.csi.controllerExpandSecretRef) delete now.csi.controllerExpandSecretRef
  if (!sameJson(now, before))
    errors.push(forbidden('spec.persistentvolumesource', FROZEN + difference('PersistentVolumeSource', before, now)))
  // Upstream's paths of these two lack the spec.
  checkImmutable('volumeMode', spec.volumeMode, old.volumeMode, errors)
  if (old.nodeAffinity && !sameJson(withStableLabels(spec.nodeAffinity, old.nodeAffinity), old.nodeAffinity))
    errors.push(
      invalid(
        'nodeAffinity',
        spec.nodeAffinity ? internalForm('VolumeNodeAffinity', spec.nodeAffinity) : null,
        `${IMMUTABLE}, except for updating from beta label to GA`,
      ),
    )
  if (old.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined)
    errors.push(forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden'))
  return errors
}

const FROZEN = 'spec.persistentvolumesource is immutable after creation\n'

function sourceOf(spec: types.PersistentVolumeSpec): types.PersistentVolumeSpec {
  const source = Object.fromEntries(VOLUME_SOURCES.flatMap((field) => (spec[field] ? [[field, { ...spec[field] }]] : [])))
  return source as types.PersistentVolumeSpec
}

/** Labels that have left beta: a volume may go on to their stable names. */
const STABLE: Record<string, string> = {
  [OLD_ZONE_LABEL]: ZONE_LABEL,
  [OLD_REGION_LABEL]: REGION_LABEL,
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
}

/** `next` with the keys of `old` where only their names became stable. */
function withStableLabels(next: types.VolumeNodeAffinity | undefined, old: types.VolumeNodeAffinity): unknown {
  if (!next?.required) return next
  const terms = next.required.nodeSelectorTerms?.map((term, index) => {
    const before = old.required?.nodeSelectorTerms?.[index]
    const renamed = (list: types.NodeSelectorRequirement[] | undefined, was: types.NodeSelectorRequirement[] | undefined) =>
      list?.map((one, at) => (STABLE[was?.[at]?.key ?? ''] === one.key ? { ...one, key: was![at]!.key } : one))
    return {
      matchExpressions: renamed(term.matchExpressions, before?.matchExpressions),
      matchFields: renamed(term.matchFields, before?.matchFields),
    }
  })
  return { required: { nodeSelectorTerms: terms } }
}
