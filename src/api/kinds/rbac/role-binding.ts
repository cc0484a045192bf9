import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { bindingColumns, defaultBinding, rbacName, validateBinding } from './rules.ts'

export type RoleBinding = types.RoleBinding

export const RoleBinding = defineKind<RoleBinding>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'RoleBinding',
  plural: 'rolebindings',
  scope: 'Namespaced',
  createOnUpdate: true,
  validateName: rbacName,
  default: defaultBinding,
  validate: (next, previous) => validateBinding(next, previous, true),
  columns: bindingColumns<RoleBinding>(),
})
