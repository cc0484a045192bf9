import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { checkImmutable, type Errors } from '#api/validation/checks.ts'
import { checkClaimStatus } from './claim-status.ts'
import { checkClaimSpec, defaultClaim } from './device-requests.ts'
import { selectorsOf, validateExpressions } from './selector-expressions.ts'

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
  validate(claim, previous, { subresource }) {
    const errors: Errors = []
    if (subresource === 'status') checkClaimStatus(claim, previous, errors)
    // A spec that cannot change is not looked at again.
    else if (previous) checkImmutable('spec', claim.spec, previous.spec, errors)
    else checkClaimSpec(claim.spec, 'spec', errors)
    return errors
  },
  async validateFurther({ spec }, previous, { errors }) {
    return previous ? [] : validateExpressions(selectorsOf(spec, 'spec'), errors)
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
