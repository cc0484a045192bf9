import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { bindingColumns, defaultBinding, rbacName, validateBinding } from './rules.ts'

export type ClusterRoleBinding = types.ClusterRoleBinding

export const ClusterRoleBinding = defineKind<ClusterRoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  scope: 'Cluster',
  createOnUpdate: true,
  validateName: rbacName,
  default: defaultBinding,
  validate: (next, previous) => validateBinding(next, previous, false),
  columns: bindingColumns<ClusterRoleBinding>(),
})
