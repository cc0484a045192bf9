import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type VolumeAttachment = types.VolumeAttachment

export const VolumeAttachment = defineKind<VolumeAttachment>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
