import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dnsSubdomain } from '#api/names.ts'
import { validateNodeSelector } from '#api/validation/affinity.ts'
import { checkImmutable, checkMessages, type Errors } from '#api/validation/checks.ts'
import { checkDriverName } from '#api/validation/volume-sources.ts'
import { formatTime } from '#lib/clock.ts'
import { checkPoolName } from './device-names.ts'
import { checkLabel, checkSet } from './device-requests.ts'
import { checkCounters, checkDevice } from './device-rules.ts'

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

function validateSlice(slice: ResourceSlice, previous?: ResourceSlice): FieldError[] {
  const errors: Errors = []
  const spec: Partial<types.ResourceSliceSpec> = slice.spec ?? {}
  const { driver, pool, nodeName, devices, sharedCounters } = spec
  const old = previous?.spec
  checkDriverName('spec.driver', driver, errors)
  checkPoolName('spec.pool.name', pool?.name, errors)
  if ((pool?.resourceSliceCount ?? 0) <= 0)
    errors.push(invalid('spec.pool.resourceSliceCount', pool?.resourceSliceCount ?? 0, 'must be greater than zero'))
  if ((pool?.generation ?? 0) < 0) errors.push(invalid('spec.pool.generation', pool?.generation, 'must be greater than or equal to zero'))
  if (old) {
    checkImmutable('spec.pool.name', pool?.name ?? '', old.pool?.name ?? '', errors)
    checkImmutable('spec.driver', driver ?? '', old.driver ?? '', errors)
    checkImmutable('spec.nodeName', nodeName ?? null, old.nodeName ?? null, errors)
  }
  checkPlace(spec, errors)
  if (sharedCounters && devices) errors.push(invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed'))
  const laden = (devices ?? []).some(({ taints, consumesCounters }) => taints?.length || consumesCounters?.length)
  const bounds = { most: laden ? 64 : 128, key: ({ name }: types.Device) => name, errors }
  const before = new Map((old?.devices ?? []).map((device) => [device.name, device]))
  const perDevice = spec.perDeviceNodeSelection === true
  checkSet(devices, 'spec.devices', bounds, (device, at) =>
    checkDevice(device, at, { perDevice, previous: before.get(device.name), errors }),
  )
  checkSet(sharedCounters, 'spec.sharedCounters', { most: 8, key: ({ name }) => name, errors }, ({ name, counters }, at) => {
    if (!name) errors.push(required(`${at}.name`))
    else checkLabel(`${at}.name`, name, errors)
    checkCounters(counters, `${at}.counters`, errors)
  })
  return errors
}

const PLACES = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'

/** Where all its devices are. */
function checkPlace({ nodeName, nodeSelector, allNodes, perDeviceNodeSelection }: Partial<types.ResourceSliceSpec>, errors: Errors): void {
  const set: string[] = []
  if (nodeName === '') errors.push(invalid('spec.nodeName', nodeName, 'must be either unset or set to a non-empty string'))
  else if (nodeName !== undefined) {
    set.push('`nodeName`')
    checkMessages('spec.nodeName', nodeName, dnsSubdomain(nodeName), errors)
  }
  if (nodeSelector) {
    set.push('`nodeSelector`')
    errors.push(...validateNodeSelector(nodeSelector, 'spec.nodeSelector'))
    const terms = nodeSelector.nodeSelectorTerms ?? []
    if (terms.length !== 1) errors.push(invalid('spec.nodeSelector.nodeSelectorTerms', terms, 'must have exactly one node selector term'))
  }
  for (const [field, value] of Object.entries({ allNodes, perDeviceNodeSelection })) {
    if (value) set.push(`\`${field}\``)
    else if (value !== undefined) errors.push(invalid(`spec.${field}`, value, 'must be either unset or set to true'))
  }
  if (set.length === 0) errors.push(required('spec', PLACES))
  else if (set.length > 1) errors.push(invalid('spec', `{${set.join(', ')}}`, `${PLACES}, but multiple fields are set`))
}
