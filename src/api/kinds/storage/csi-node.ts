import { defineKind } from '#api/define-kind.ts'
import { duplicate, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { qualifiedName } from '#api/names.ts'
import { checkImmutable, checkMessages, checkNonNegative, each, type Errors } from '#api/validation/checks.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { checkDriverName } from '#api/validation/volume-sources.ts'

export type CSINode = types.CSINode

export const CSINode = defineKind<CSINode>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  scope: 'Cluster',
  requireResourceVersionOnUpdate: true,
  validate({ spec }, previous) {
    const errors: Errors = []
    const names = new Set<string>()
    each(spec?.drivers, 'spec.drivers', (driver, at) => checkDriver(driver, at, { names, errors }))
    // How much fits may be learned later; where the driver is may not change.
    const fixed = (driver: types.CSINodeDriver) => internalForm('CSINodeDriver', { ...driver, allocatable: undefined })
    for (const old of previous?.spec?.drivers ?? [])
      for (const driver of spec?.drivers ?? [])
        if (old.name === driver.name) checkImmutable('spec.drivers', fixed(driver), fixed(old), errors)
    return errors
  },
  columns: columnsOf<CSINode>({
    name: 'Drivers',
    type: 'integer',
    description: 'Number of CSI drivers on the node.',
    value: ({ spec }) => spec?.drivers?.length ?? 0,
  }),
})

function checkDriver(
  { name, nodeID, allocatable, topologyKeys }: types.CSINodeDriver,
  path: string,
  { names, errors }: { names: Set<string>; errors: Errors },
): void {
  checkDriverName(`${path}.name`, name, errors)
  if (!nodeID) errors.push(required(`${path}.nodeID`))
  else if (Buffer.byteLength(nodeID) > 256) errors.push(invalid(`${path}.nodeID`, nodeID, 'must be 256 characters or less'))
  checkNonNegative(`${path}.allocatable.count`, allocatable?.count, errors)
  if (names.has(name)) errors.push(duplicate(`${path}.name`, name))
  names.add(name)
  const keys = new Set<string>()
  for (const key of topologyKeys ?? []) {
    if (!key) errors.push(required(path))
    if (keys.has(key)) errors.push(duplicate(path, key))
    keys.add(key)
    checkMessages(path, key, qualifiedName(key), errors)
  }
}
