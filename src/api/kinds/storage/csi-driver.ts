import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type CSIDriver = types.CSIDriver

export const CSIDriver = defineKind<CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  scope: 'Cluster',
})
