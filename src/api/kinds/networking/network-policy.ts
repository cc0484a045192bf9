import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type NetworkPolicy = types.NetworkPolicy

export const NetworkPolicy = defineKind<NetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  shortNames: ['netpol'],
  scope: 'Namespaced',
})
