import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type PodTemplate = types.PodTemplate

export const PodTemplate = defineKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  scope: 'Namespaced',
})
