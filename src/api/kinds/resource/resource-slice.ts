import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ResourceSlice = types.ResourceSlice

export const ResourceSlice = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  scope: 'Cluster',
})
