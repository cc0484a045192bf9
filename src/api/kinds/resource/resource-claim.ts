import { defineKind } from '#api/define-kind.ts'
import { forbidden, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { checkImmutable, type Errors } from '#api/validation/checks.ts'
import { checkClaimSpec, defaultClaim } from './device-requests.ts'

export type ResourceResourceClaim = types.ResourceResourceClaim

export const ResourceResourceClaim = defineKind<ResourceResourceClaim>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  plural: 'resourceclaims',
  scope: 'Namespaced',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
  default: ({ spec }) => defaultClaim(spec),
  validate({ spec, status }, previous, { subresource }) {
    const errors: Errors = []
    if (subresource === 'status') {
      if ((status?.reservedFor?.length ?? 0) > 256) errors.push(tooMany('status.reservedFor', status!.reservedFor!.length, 256))
      if (status?.reservedFor?.length && !status.allocation)
        errors.push(forbidden('status.reservedFor', 'may not be specified when `allocated` is not set'))
      if (previous?.status?.allocation && status?.allocation)
        checkImmutable('status.allocation', status.allocation, previous.status.allocation, errors)
      return errors
    }
    checkClaimSpec(spec, 'spec', errors)
    if (previous) checkImmutable('spec', spec, previous.spec, errors)
    return errors
  },
  columns: columnsOf<ResourceResourceClaim>({
    name: 'State',
    description: 'Whether devices are allocated to it, and reserved for a pod.',
    value({ metadata, status }) {
      const states = [
        ...(metadata?.deletionTimestamp ? ['deleted'] : []),
        ...(status?.allocation ? ['allocated'] : []),
        ...(status?.reservedFor?.length ? ['reserved'] : []),
      ]
      if (!status?.allocation && !metadata?.deletionTimestamp) states.unshift('pending')
      return states.join(',')
    },
  }),
})
