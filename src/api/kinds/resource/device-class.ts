import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type DeviceClass = types.DeviceClass

export const DeviceClass = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  scope: 'Cluster',
})
