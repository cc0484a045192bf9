import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ClusterRole = types.ClusterRole

export const ClusterRole = defineKind<ClusterRole>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  scope: 'Cluster',
})
