import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type ValidatingAdmissionPolicyBinding = types.ValidatingAdmissionPolicyBinding

export const ValidatingAdmissionPolicyBinding = defineKind<ValidatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  categories: ['api-extensions'],
  scope: 'Cluster',
})
