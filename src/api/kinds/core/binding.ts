import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type Binding = types.Binding

export const Binding = defineKind<Binding>({
  group: '',
  version: 'v1',
  kind: 'Binding',
  plural: 'bindings',
  scope: 'Namespaced',
  verbs: ['create'],
  virtual: true,
})
