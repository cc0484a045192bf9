import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type IngressClass = types.IngressClass

export const IngressClass = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  scope: 'Cluster',
})
