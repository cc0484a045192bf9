import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type Secret = types.Secret

export const Secret = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  scope: 'Namespaced',
})
