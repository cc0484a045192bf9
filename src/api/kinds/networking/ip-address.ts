import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type IPAddress = types.IPAddress

export const IPAddress = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  shortNames: ['ip'],
  scope: 'Cluster',
})
