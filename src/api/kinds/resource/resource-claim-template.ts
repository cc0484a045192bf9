import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { validateTemplateMeta } from '#api/meta/object-meta.ts'
import { checkImmutable, type Errors } from '#api/validation/checks.ts'
import { checkClaimSpec, defaultClaim } from './device-requests.ts'

export type ResourceClaimTemplate = types.ResourceClaimTemplate

export const ResourceClaimTemplate = defineKind<ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  scope: 'Namespaced',
  default: ({ spec }) => defaultClaim(spec?.spec),
  validate({ spec }, previous) {
    const errors: Errors = [...validateTemplateMeta(spec?.metadata, 'spec.metadata')]
    checkClaimSpec(spec?.spec, 'spec.spec', errors)
    if (previous) checkImmutable('spec', spec, previous.spec, errors)
    return errors
  },
  columns: columnsOf<ResourceClaimTemplate>(),
})
