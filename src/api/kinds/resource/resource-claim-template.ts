import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { validateTemplateObjectMeta } from '#api/meta/object-meta.ts'
import { checkImmutable, type Errors } from '#api/validation/checks.ts'
import { checkClaimSpec, defaultClaim } from './device-requests.ts'
import { selectorsOf, validateExpressions } from './selector-expressions.ts'

export type ResourceClaimTemplate = types.ResourceClaimTemplate

export const ResourceClaimTemplate = defineKind<ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  scope: 'Namespaced',
  default: ({ spec }) => defaultClaim(spec?.spec),
  validate({ spec }, previous) {
    const errors: Errors = []
    if (previous) checkImmutable('spec', spec, previous.spec, errors)
    else {
      errors.push(...validateTemplateObjectMeta(spec?.metadata, 'spec.metadata'))
      checkClaimSpec(spec?.spec, 'spec.spec', errors)
    }
    return errors
  },
  async validateFurther({ spec }, previous, { errors }) {
    return previous ? [] : validateExpressions(selectorsOf(spec?.spec, 'spec.spec'), errors)
  },
  columns: columnsOf<ResourceClaimTemplate>(),
})
