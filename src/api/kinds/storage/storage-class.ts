import { defineKind } from '#api/define-kind.ts'
import { duplicate, invalid, notSupported, required, tooLong } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn } from '#api/kinds/columns.ts'
import { qualifiedName } from '#api/names.ts'
import { checkImmutable, checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { nodeLabelWarning } from '#api/validation/node-labels.ts'
import { DEFAULT_STORAGE_CLASS_ANNOTATIONS } from '#api/well-known.ts'
import { byKey } from '#lib/order.ts'

export type StorageClass = types.StorageClass

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
    const provisioner = next.provisioner?.toLowerCase()
    if (!provisioner) errors.push(required('provisioner'))
    else checkMessages('provisioner', provisioner, qualifiedName(provisioner), errors)
    checkParameters(next.parameters ?? {}, errors)
    const { reclaimPolicy = '', volumeBindingMode: mode } = next
    if (reclaimPolicy && reclaimPolicy !== 'Delete' && reclaimPolicy !== 'Retain')
      errors.push(notSupported('reclaimPolicy', reclaimPolicy, ['Delete', 'Retain']))
    if (mode === undefined) errors.push(required('volumeBindingMode'))
    else if (mode !== 'Immediate' && mode !== 'WaitForFirstConsumer')
      errors.push(notSupported('volumeBindingMode', mode, ['Immediate', 'WaitForFirstConsumer']))
    checkTopologies(next.allowedTopologies, errors)
    if (previous)
      for (const field of ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const)
        checkImmutable(field, next[field], previous[field], errors)
    return errors
  },
  warnings: ({ allowedTopologies }) =>
    (allowedTopologies ?? []).flatMap(({ matchLabelExpressions }, index) =>
      (matchLabelExpressions ?? []).flatMap(({ key }, place) => {
        const warning = nodeLabelWarning(key)
        return warning ? [`allowedTopologies[${index}].matchLabelExpressions[${place}].key: ${warning}`] : []
      }),
    ),
  columns: [
    {
      name: 'Name',
      format: 'name',
      description: 'Name of the class, and whether claims without a class get it.',
      value: ({ metadata }) =>
        `${metadata?.name ?? ''}${DEFAULT_STORAGE_CLASS_ANNOTATIONS.some((key) => metadata?.annotations?.[key] === 'true') ? ' (default)' : ''}`,
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

export function checkParameters(parameters: Record<string, string>, errors: Errors): void {
  const entries = Object.entries(parameters)
  if (entries.length > 512) return void errors.push(tooLong('parameters', 512))
  let size = 0
  for (const [key, value] of entries) {
    if (!key) errors.push(invalid('parameters', key, 'field can not be empty.'))
    size += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (size > 256 * 1024) errors.push(tooLong('parameters', 256 * 1024))
}

function checkTopologies(topologies: types.TopologySelectorTerm[] | undefined, errors: Errors): void {
  const seen = new Set<string>()
  each(topologies, 'allowedTopologies', ({ matchLabelExpressions }, at) => {
    const path = `${at}.matchLabelExpressions`
    const valuesOf = new Map<string, string[]>()
    each(matchLabelExpressions, path, ({ key = '', values: given }, where) => {
      const values = given ?? []
      if (values.length === 0) errors.push(required(`${where}.values`))
      each(values, `${where}.values`, (value, place, index) => {
        if (values.indexOf(value) < index) errors.push(duplicate(place, value))
      })
      checkMessages(`${where}.key`, key, qualifiedName(key), errors)
      if (valuesOf.has(key)) errors.push(duplicate(`${where}.key`, key))
      valuesOf.set(key, [...new Set(values)].toSorted())
    })
    const term = JSON.stringify([...valuesOf].toSorted(byKey))
    if (seen.has(term)) errors.push(duplicate(path, ''))
    seen.add(term)
  })
}
