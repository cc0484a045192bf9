import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid, required, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { checkImmutable, checkName, checkUnique, each, type Errors } from '#api/validation/checks.ts'
import { formatTime } from '#lib/clock.ts'

export type ResourceSlice = types.ResourceSlice

export const ResourceSlice = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  scope: 'Cluster',
  fields: {
    'spec.nodeName': ({ spec }) => spec?.nodeName ?? '',
    'spec.driver': ({ spec }) => spec?.driver ?? '',
  },
  generationOf: ({ spec }) => spec,
  prepareForCreate: stampTaints,
  prepareForUpdate: (next, _previous, context) => stampTaints(next, context),
  validate: validateSlice,
  columns: columnsOf<ResourceSlice>(
    { name: 'Node', description: 'The node its devices are at.', value: ({ spec }) => spec?.nodeName ?? '' },
    { name: 'Driver', description: 'Driver that publishes it.', value: ({ spec }) => spec?.driver ?? '' },
    { name: 'Pool', description: 'Pool its devices belong to.', value: ({ spec }) => spec?.pool?.name ?? '' },
  ),
})

function stampTaints({ spec }: ResourceSlice, { now }: { now: number }): void {
  for (const { taints } of spec?.devices ?? []) for (const taint of taints ?? []) taint.timeAdded ??= formatTime(now)
}

function validateSlice({ spec }: ResourceSlice, previous?: ResourceSlice): FieldError[] {
  const errors: Errors = []
  const { driver, pool, nodeName, nodeSelector, allNodes, perDeviceNodeSelection, devices, sharedCounters } =
    spec ?? ({} as types.ResourceSliceSpec)
  checkName('spec.driver', driver, dnsSubdomain, errors)
  if (driver && driver.length > 63)
    errors.push({ type: 'FieldValueTooLong', field: 'spec.driver', message: 'Too long: may not be more than 63 bytes' })
  if (!pool?.name) errors.push(required('spec.pool.name'))
  if ((pool?.resourceSliceCount ?? 0) <= 0)
    errors.push(invalid('spec.pool.resourceSliceCount', pool?.resourceSliceCount ?? 0, 'must be greater than zero'))
  if ((pool?.generation ?? 0) < 0) errors.push(invalid('spec.pool.generation', pool?.generation, 'must be greater than or equal to zero'))
  if (nodeName === '') errors.push(invalid('spec.nodeName', nodeName, 'must be either unset or set to a non-empty string'))
  const given = [nodeName, nodeSelector, allNodes, perDeviceNodeSelection].filter(Boolean).length
  if (!sharedCounters?.length && given === 0)
    errors.push(required('spec', 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'))
  if (given > 1)
    errors.push(
      invalid(
        'spec',
        '{}',
        'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set',
      ),
    )
  if ((devices?.length ?? 0) > 128) errors.push(tooMany('spec.devices', devices!.length, 128))
  each(devices, 'spec.devices', ({ name }, at) => checkName(`${at}.name`, name, dnsLabel, errors))
  checkUnique(devices, 'spec.devices', ({ name }) => name, errors, '.name')
  if (previous) {
    checkImmutable('spec.driver', driver, previous.spec?.driver, errors)
    checkImmutable('spec.pool.name', pool?.name, previous.spec?.pool?.name, errors)
    checkImmutable('spec.nodeName', nodeName, previous.spec?.nodeName, errors)
  }
  return errors
}
