import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { rbacName, validateRules } from './rules.ts'

export type Role = types.Role

export const Role = defineKind<Role>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'Role',
  plural: 'roles',
  scope: 'Namespaced',
  createOnUpdate: true,
  validateName: rbacName,
  validate: ({ rules }) => validateRules(rules, true),
})
