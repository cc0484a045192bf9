import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import type { Errors } from '#api/validation/checks.ts'
import { checkSelectors } from './device-requests.ts'

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
    return errors
  },
  columns: columnsOf<DeviceClass>(),
})
