import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type PersistentVolumeClaim = types.PersistentVolumeClaim

export const PersistentVolumeClaim = defineKind<PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  shortNames: ['pvc'],
  scope: 'Namespaced',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
