import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type CoreEvent = types.CoreEvent

export const CoreEvent = defineKind<CoreEvent>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  scope: 'Namespaced',
})
