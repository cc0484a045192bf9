import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ControllerRevision = types.ControllerRevision

export const ControllerRevision = defineKind<ControllerRevision>({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  scope: 'Namespaced',
})
