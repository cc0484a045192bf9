import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type StorageClass = types.StorageClass

export const StorageClass = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  shortNames: ['sc'],
  scope: 'Cluster',
})
