import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type LimitRange = types.LimitRange

export const LimitRange = defineKind<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  shortNames: ['limits'],
  scope: 'Namespaced',
})
