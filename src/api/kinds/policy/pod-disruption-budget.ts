import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { checkAtMostHundred, checkCountOrPercent } from '#api/kinds/apps/workload.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { validateConditions } from '#api/meta/object-meta.ts'
import { checkNonNegative, checkOneOf, type Errors } from '#api/validation/checks.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { validateLabelSelector } from '#api/validation/label-selector.ts'

export type PodDisruptionBudget = types.PodDisruptionBudget

export const PodDisruptionBudget = defineKind<PodDisruptionBudget>({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  shortNames: ['pdb'],
  scope: 'Namespaced',
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  requireResourceVersionOnUpdate: true,
  generationOf: ({ spec }) => spec,
  default(budget) {
    budget.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0, ...budget.status }
  },
  validate: validateBudget,
  columns: columnsOf<PodDisruptionBudget>(
    {
      name: 'Min Available',
      description: 'Pods that must stay.',
      value: ({ spec }) => (spec?.minAvailable === undefined ? 'N/A' : String(spec.minAvailable)),
    },
    {
      name: 'Max Unavailable',
      description: 'Pods that may be missing.',
      value: ({ spec }) => (spec?.maxUnavailable === undefined ? 'N/A' : String(spec.maxUnavailable)),
    },
    {
      name: 'Allowed Disruptions',
      type: 'integer',
      description: 'Pods that may be evicted now.',
      value: ({ status }) => status?.disruptionsAllowed ?? 0,
    },
  ),
})

function validateBudget(
  { spec = {}, status }: PodDisruptionBudget,
  _previous: unknown,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') {
    errors.push(...validateConditions(status?.conditions, 'status.conditions'))
    for (const field of ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const)
      checkNonNegative(`status.${field}`, status?.[field], errors)
    return errors
  }
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    errors.push(invalid('spec', internalForm('PodDisruptionBudgetSpec', spec), 'minAvailable and maxUnavailable cannot be both set'))
  for (const [field, value] of [
    ['minAvailable', minAvailable],
    ['maxUnavailable', maxUnavailable],
  ] as const) {
    checkCountOrPercent(`spec.${field}`, value, errors)
    checkAtMostHundred(`spec.${field}`, value, errors)
  }
  errors.push(...validateLabelSelector(selector, 'spec.selector'))
  checkOneOf('spec.unhealthyPodEvictionPolicy', unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget'], errors)
  return errors
}
