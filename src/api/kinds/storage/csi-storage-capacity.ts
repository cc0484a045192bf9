import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type CSIStorageCapacity = types.CSIStorageCapacity

export const CSIStorageCapacity = defineKind<CSIStorageCapacity>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  scope: 'Namespaced',
})
