import { defineKind } from '#api/define-kind.ts'
import { duplicate, type FieldError, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { checkImmutable, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { checkTokenLife } from '#api/validation/projections.ts'

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

function validateDriver({ spec }: CSIDriver, previous?: CSIDriver): FieldError[] {
  const errors: Errors = []
  // Upstream misspells it.
  if (spec?.attachRequired === undefined) errors.push(required('spec.attachedRequired'))
  if (spec?.podInfoOnMount === undefined) errors.push(required('spec.podInfoOnMount'))
  if (spec?.storageCapacity === undefined) errors.push(required('spec.storageCapacity'))
  checkOneOf('spec.fsGroupPolicy', spec?.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'], errors)
  checkTokenRequests(spec?.tokenRequests, errors)
  for (const mode of spec?.volumeLifecycleModes ?? [])
    if (mode !== 'Persistent' && mode !== 'Ephemeral')
      errors.push(notSupported('spec.volumeLifecycleModes', mode, ['Persistent', 'Ephemeral']))
  if (spec?.seLinuxMount === undefined) errors.push(required('spec.seLinuxMount'))
  const { nodeAllocatableUpdatePeriodSeconds: period, serviceAccountTokenInSecrets: inSecrets } = spec ?? {}
  if (period !== undefined && period < 10)
    errors.push(invalid('spec.nodeAllocatableUpdatePeriodSeconds', period, 'must be greater than or equal to 10 seconds'))
  if (inSecrets !== undefined && !spec?.tokenRequests?.length)
    errors.push(
      invalid('spec.serviceAccountTokenInSecrets', inSecrets, 'serviceAccountTokenInSecrets is set but no tokenRequests are specified'),
    )
  if (previous) {
    checkImmutable('spec.attachedRequired', spec?.attachRequired, previous.spec?.attachRequired, errors)
    checkImmutable('spec.volumeLifecycleModes', spec?.volumeLifecycleModes, previous.spec?.volumeLifecycleModes, errors)
  }
  return errors
}

function checkTokenRequests(requests: types.StorageTokenRequest[] | undefined, errors: Errors): void {
  const audiences = new Set<string>()
  each(requests, 'spec.tokenRequests', ({ audience = '', expirationSeconds: seconds }, at) => {
    if (audiences.has(audience)) return void errors.push(duplicate(`${at}.audience`, audience))
    audiences.add(audience)
    if (seconds !== undefined) checkTokenLife(`${at}.expirationSeconds`, seconds, errors)
  })
}
