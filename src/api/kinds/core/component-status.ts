import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ComponentStatus = types.ComponentStatus

export const ComponentStatus = defineKind<ComponentStatus>({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  shortNames: ['cs'],
  scope: 'Cluster',
  verbs: ['get', 'list'],
})
