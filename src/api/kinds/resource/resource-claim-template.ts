import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ResourceClaimTemplate = types.ResourceClaimTemplate

export const ResourceClaimTemplate = defineKind<ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  scope: 'Namespaced',
})
