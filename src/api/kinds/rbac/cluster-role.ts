import { defineKind } from '#api/define-kind.ts'
import { invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { validateLabelSelector } from '#api/validation/label-selector.ts'
import { rbacName, validateRules } from './rules.ts'

export type ClusterRole = types.ClusterRole

export const ClusterRole = defineKind<ClusterRole>({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  scope: 'Cluster',
  createOnUpdate: true,
  validateName: rbacName,
  validate({ rules, aggregationRule }) {
    const errors = validateRules(rules, false)
    if (!aggregationRule) return errors
    const at = 'aggregationRule.clusterRoleSelectors'
    const { clusterRoleSelectors: selectors } = aggregationRule
    if (!selectors?.length) errors.push(required(at, 'at least one clusterRoleSelector required if aggregationRule is non-nil'))
    for (const [index, selector] of (selectors ?? []).entries()) {
      const found = validateLabelSelector(selector, `${at}[${index}]`)
      errors.push(...found)
      // What is out of form makes no selector, which upstream tells once more.
      if (found.length > 0) errors.push(invalid(`${at}[${index}]`, null, 'invalid label selector.'))
    }
    return errors
  },
})
