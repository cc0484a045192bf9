import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type MutatingAdmissionPolicy = types.MutatingAdmissionPolicy

export const MutatingAdmissionPolicy = defineKind<MutatingAdmissionPolicy>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  categories: ['api-extensions'],
  scope: 'Cluster',
})
