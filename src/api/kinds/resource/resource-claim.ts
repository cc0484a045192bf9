import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

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
})
