import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ResourceQuota = types.ResourceQuota

export const ResourceQuota = defineKind<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  shortNames: ['quota'],
  scope: 'Namespaced',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
