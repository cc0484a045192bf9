import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type EndpointSlice = types.EndpointSlice

export const EndpointSlice = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  scope: 'Namespaced',
})
