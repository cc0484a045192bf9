import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type RuntimeClass = types.RuntimeClass

export const RuntimeClass = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  scope: 'Cluster',
})
