import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type MutatingAdmissionPolicyBinding = types.MutatingAdmissionPolicyBinding

export const MutatingAdmissionPolicyBinding = defineKind<MutatingAdmissionPolicyBinding>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  categories: ['api-extensions'],
  scope: 'Cluster',
})
