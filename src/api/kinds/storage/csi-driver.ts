import { defineKind } from '#api/define-kind.ts'
import { duplicate, type FieldError, invalid, required, tooLong } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { checkImmutable, checkOneOf, each, type Errors } from '#api/validation/checks.ts'

export type CSIDriver = types.CSIDriver

export const CSIDriver = defineKind<CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  scope: 'Cluster',
  requireResourceVersionOnUpdate: true,
  generationOf: ({ spec }) => spec,
  default({ spec }) {
    if (!spec) return
    spec.attachRequired ??= true
    spec.podInfoOnMount ??= false
    spec.storageCapacity ??= false
    spec.requiresRepublish ??= false
    spec.seLinuxMount ??= false
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType'
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent']
  },
  validate: validateDriver,
  columns: columnsOf<CSIDriver>(
    {
      name: 'AttachRequired',
      type: 'boolean',
      description: 'Whether volumes are attached before they are mounted.',
      value: ({ spec }) => spec?.attachRequired ?? true,
    },
    {
      name: 'PodInfoOnMount',
      type: 'boolean',
      description: 'Whether the driver is told of the pod.',
      value: ({ spec }) => spec?.podInfoOnMount ?? false,
    },
    {
      name: 'StorageCapacity',
      type: 'boolean',
      description: 'Whether the driver publishes its capacity.',
      value: ({ spec }) => spec?.storageCapacity ?? false,
    },
    {
      name: 'TokenRequests',
      description: 'Audiences of the tokens the driver gets.',
      value: ({ spec }) => (spec?.tokenRequests ? spec.tokenRequests.map(({ audience }) => audience).join(',') : '<unset>'),
    },
    {
      name: 'RequiresRepublish',
      type: 'boolean',
      description: 'Whether volumes are published again and again.',
      value: ({ spec }) => spec?.requiresRepublish ?? false,
    },
    {
      name: 'Modes',
      description: 'Life cycles its volumes can have.',
      value: ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(',') || '<none>',
    },
  ),
})

function validateDriver({ spec, metadata }: CSIDriver, previous?: CSIDriver): FieldError[] {
  const errors: Errors = []
  if ((metadata?.name ?? '').length > 63) errors.push(tooLong('metadata.name', 63))
  if (spec?.attachRequired === undefined) errors.push(required('spec.attachedRequired'))
  if (spec?.podInfoOnMount === undefined) errors.push(required('spec.podInfoOnMount'))
  checkOneOf('spec.fsGroupPolicy', spec?.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'], errors)
  for (const mode of spec?.volumeLifecycleModes ?? []) checkOneOf('spec.volumeLifecycleModes', mode, ['Ephemeral', 'Persistent'], errors)
  const audiences = new Set<string>()
  each(spec?.tokenRequests, 'spec.tokenRequests', ({ audience, expirationSeconds: seconds }, at) => {
    if (audiences.has(audience)) errors.push(duplicate(`${at}.audience`, audience))
    audiences.add(audience)
    if (seconds !== undefined && seconds < 600)
      errors.push(invalid(`${at}.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'))
  })
  if (previous)
    for (const field of ['attachRequired', 'volumeLifecycleModes'] as const)
      checkImmutable(`spec.${field}`, spec?.[field], previous.spec?.[field], errors)
  return errors
}
