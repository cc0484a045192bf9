import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type VolumeAttributesClass = types.VolumeAttributesClass

export const VolumeAttributesClass = defineKind<VolumeAttributesClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  shortNames: ['vac'],
  scope: 'Cluster',
})
