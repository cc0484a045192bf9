import { defineKind } from '#api/define-kind.ts'
import { invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn } from '#api/kinds/columns.ts'
import { qualifiedName } from '#api/names.ts'
import { checkImmutable, checkMessages, checkOneOf, type Errors } from '#api/validation/checks.ts'

export type StorageClass = types.StorageClass

const DEFAULT = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class']

export const StorageClass = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  shortNames: ['sc'],
  scope: 'Cluster',
  default(storageClass) {
    storageClass.reclaimPolicy ??= 'Delete'
    storageClass.volumeBindingMode ??= 'Immediate'
  },
  validate(next, previous) {
    const errors: Errors = []
    if (previous)
      for (const field of ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const)
        checkImmutable(field, next[field], previous[field], errors)
    if (!next.provisioner) errors.push(required('provisioner'))
    else checkMessages('provisioner', next.provisioner, qualifiedName(next.provisioner.toLowerCase()), errors)
    for (const key of Object.keys(next.parameters ?? {})) if (!key) errors.push(invalid('parameters', key, 'field can not be empty.'))
    checkOneOf('reclaimPolicy', next.reclaimPolicy, ['Delete', 'Retain'], errors)
    checkOneOf('volumeBindingMode', next.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'], errors, { required: true })
    return errors
  },
  columns: [
    {
      name: 'Name',
      format: 'name',
      description: 'Name of the class, and whether claims without a class get it.',
      value: ({ metadata }) =>
        `${metadata?.name ?? ''}${DEFAULT.some((key) => metadata?.annotations?.[key] === 'true') ? ' (default)' : ''}`,
    },
    { name: 'Provisioner', description: 'Who makes the volumes.', value: ({ provisioner }) => provisioner ?? '' },
    {
      name: 'ReclaimPolicy',
      description: 'What becomes of its volumes when released.',
      value: ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete',
    },
    {
      name: 'VolumeBindingMode',
      description: 'When volumes are made and bound.',
      value: ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate',
    },
    {
      name: 'AllowVolumeExpansion',
      description: 'Whether its volumes may grow.',
      value: ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false,
    },
    ageColumn,
  ],
})
