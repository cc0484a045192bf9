import { defineKind } from '#api/define-kind.ts'
import { equal } from '#api/equal.ts'
import { invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import type { Errors } from '#api/validation/checks.ts'
import { isExtended } from '#api/validation/resources.ts'
import { checkList, checkOpaque, checkSelectors, MOST } from './device-requests.ts'
import { validateExpressions } from './selector-expressions.ts'

export type DeviceClass = types.DeviceClass

export const DeviceClass = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  scope: 'Cluster',
  generationOf: ({ spec }) => spec,
  validate({ spec }) {
    const errors: Errors = []
    checkSelectors(spec?.selectors, 'spec.selectors', errors)
    checkList(spec?.config, 'spec.config', { most: MOST, errors }, ({ opaque }, at) => checkOpaque(opaque, at, errors))
    const { extendedResourceName: name } = spec ?? {}
    if (name !== undefined && !isExtended(name))
      errors.push(invalid('spec.extendedResourceName', name, 'must be a valid extended resource name'))
    return errors
  },
  async validateFurther({ spec }, previous, { errors }) {
    if (equal(spec?.selectors, previous?.spec?.selectors)) return []
    return validateExpressions([{ selectors: spec?.selectors, path: 'spec.selectors' }], errors)
  },
  columns: columnsOf<DeviceClass>(),
})
