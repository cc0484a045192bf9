import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type Service = types.Service

export const Service = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  shortNames: ['svc'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: {
    proxy: { verbs: ['create', 'delete', 'get', 'patch', 'update'], kind: { group: '', version: 'v1', kind: 'ServiceProxyOptions' } },
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
