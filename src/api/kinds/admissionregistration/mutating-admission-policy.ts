import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { equal } from '#api/equal.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { defaultPolicySpec, validateMutatingExpressions, validateMutatingPolicy } from './policies.ts'
import { paramKindText, staticNameWarnings } from './rules.ts'

export type MutatingAdmissionPolicy = types.MutatingAdmissionPolicy

export const MutatingAdmissionPolicy = defineKind<MutatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  categories: ['api-extensions'],
  scope: 'Cluster',
  requireResourceVersionOnUpdate: true,
  generationOf: ({ spec }) => spec,
  default: ({ spec }) => defaultPolicySpec(spec),
  validate: ({ spec }) => validateMutatingPolicy(spec ?? {}),
  async validateFurther({ spec = {} }, previous) {
    return equal(spec, previous?.spec) ? [] : validateMutatingExpressions(spec)
  },
  warnings: ({ metadata }) => staticNameWarnings(metadata?.name),
  columns: columnsOf<MutatingAdmissionPolicy>(
    { name: 'Mutations', type: 'integer', description: 'Number of mutations.', value: ({ spec }) => spec?.mutations?.length ?? 0 },
    { name: 'ParamKind', description: 'Kind of its parameters.', value: ({ spec }) => paramKindText(spec?.paramKind) },
  ),
})
