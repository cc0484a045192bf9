import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ServiceCIDR = types.ServiceCIDR

export const ServiceCIDR = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
