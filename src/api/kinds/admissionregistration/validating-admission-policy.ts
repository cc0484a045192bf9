import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { equal } from '#api/equal.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { defaultPolicySpec, validatePolicyStatus, validateValidatingExpressions, validateValidatingPolicy } from './policies.ts'
import { paramKindText, staticNameWarnings } from './rules.ts'

export type ValidatingAdmissionPolicy = types.ValidatingAdmissionPolicy

export const ValidatingAdmissionPolicy = defineKind<ValidatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  categories: ['api-extensions'],
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
  requireResourceVersionOnUpdate: true,
  generationOf: ({ spec }) => spec,
  default: ({ spec }) => defaultPolicySpec(spec),
  validate: ({ metadata, spec, status }, _previous, { subresource }) =>
    subresource === 'status' ? validatePolicyStatus(status) : validateValidatingPolicy(spec ?? {}, metadata?.name),
  async validateFurther({ spec = {} }, previous, { subresource }) {
    return subresource === 'status' || equal(spec, previous?.spec) ? [] : validateValidatingExpressions(spec)
  },
  warnings: ({ metadata }) => staticNameWarnings(metadata?.name),
  columns: columnsOf<ValidatingAdmissionPolicy>(
    { name: 'Validations', type: 'integer', description: 'Number of validations.', value: ({ spec }) => spec?.validations?.length ?? 0 },
    { name: 'ParamKind', description: 'Kind of its parameters.', value: ({ spec }) => paramKindText(spec?.paramKind) },
  ),
})
