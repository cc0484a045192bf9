import { defineKind } from '#api/define-kind.ts'
import { invalid } from '#api/field-error.ts'
import { defaultQuantity } from '#api/defaults/resource-list.ts'
import type * as types from '#api/generated/types.ts'
import { dnsSubdomain } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { checkImmutable, checkName, type Errors, NON_NEGATIVE } from '#api/validation/checks.ts'
import { validateLabelSelector } from '#api/validation/label-selector.ts'
import { checkQuantity } from '#api/validation/resources.ts'
import { nodeSelectorWarnings } from '#api/validation/node-labels.ts'

export type CSIStorageCapacity = types.CSIStorageCapacity

export const CSIStorageCapacity = defineKind<CSIStorageCapacity>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  scope: 'Namespaced',
  requireResourceVersionOnUpdate: true,
  default(capacity) {
    defaultQuantity(capacity, 'capacity')
    defaultQuantity(capacity, 'maximumVolumeSize')
  },
  warnings: ({ nodeTopology }) => nodeSelectorWarnings(nodeTopology, 'nodeTopology'),
  validate(next, previous) {
    const errors: Errors = validateLabelSelector(next.nodeTopology, 'nodeTopology')
    checkName('storageClassName', next.storageClassName, dnsSubdomain, errors)
    const { capacity } = next
    if (capacity !== undefined && checkQuantity('capacity', capacity, errors) && quantityOf(capacity).sign < 0)
      errors.push(invalid('capacity', capacity, NON_NEGATIVE))
    if (previous)
      for (const field of ['nodeTopology', 'storageClassName'] as const) checkImmutable(field, next[field], previous[field], errors)
    return errors
  },
})
