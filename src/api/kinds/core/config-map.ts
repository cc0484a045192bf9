import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ConfigMap = types.ConfigMap

export const ConfigMap = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  scope: 'Namespaced',
})
