import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type PersistentVolume = types.PersistentVolume

export const PersistentVolume = defineKind<PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  shortNames: ['pv'],
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
