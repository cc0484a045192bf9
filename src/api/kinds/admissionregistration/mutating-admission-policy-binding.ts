import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import type { Errors } from '#api/validation/checks.ts'
import { bindingColumns, checkMatchResources, checkParamRef, checkPolicyName, defaultMatchResources, staticNameWarnings } from './rules.ts'

export type MutatingAdmissionPolicyBinding = types.MutatingAdmissionPolicyBinding

export const MutatingAdmissionPolicyBinding = defineKind<MutatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  categories: ['api-extensions'],
  scope: 'Cluster',
  requireResourceVersionOnUpdate: true,
  generationOf: ({ spec }) => spec,
  default: ({ spec }) => defaultMatchResources(spec?.matchResources),
  validate({ spec }) {
    const errors: Errors = []
    checkPolicyName('spec.policyName', spec?.policyName, errors)
    checkParamRef(spec?.paramRef, 'spec.paramRef', errors)
    checkMatchResources(spec?.matchResources, 'spec.matchResources', errors, { operations: ['CREATE', 'UPDATE'] })
    return errors
  },
  warnings: ({ metadata }) => staticNameWarnings(metadata?.name),
  columns: bindingColumns,
})
