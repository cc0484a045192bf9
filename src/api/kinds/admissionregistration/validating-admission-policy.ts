import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

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
})
