import { defineKind } from '#api/define-kind.ts'
import { duplicate, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dnsSubdomain, qualifiedName } from '#api/names.ts'
import { checkMessages, checkName, each, type Errors, NON_NEGATIVE } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'

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
    each(spec?.drivers, 'spec.drivers', (driver, at) => {
      checkDriver(driver, at, errors)
      if (names.has(driver.name)) errors.push(duplicate(`${at}.name`, driver.name))
      names.add(driver.name)
      const old = previous?.spec?.drivers?.find(({ name }) => name === driver.name)
      // How much fits may be learned later; where the driver is may not change.
      const fixed = (one: types.CSINodeDriver) => [one.nodeID, one.topologyKeys]
      if (old && !sameJson(fixed(old), fixed(driver))) errors.push(invalid(at, driver, 'field is immutable'))
    })
    return errors
  },
  columns: columnsOf<CSINode>({
    name: 'Drivers',
    type: 'integer',
    description: 'Number of CSI drivers on the node.',
    value: ({ spec }) => spec?.drivers?.length ?? 0,
  }),
})

function checkDriver({ name, nodeID, allocatable, topologyKeys }: types.CSINodeDriver, path: string, errors: Errors): void {
  checkName(`${path}.name`, name, dnsSubdomain, errors)
  if (!nodeID) errors.push(required(`${path}.nodeID`))
  else if (nodeID.length > 256) errors.push(invalid(`${path}.nodeID`, nodeID, 'must be 256 characters or less'))
  if ((allocatable?.count ?? 0) < 0) errors.push(invalid(`${path}.allocatable.count`, allocatable!.count, NON_NEGATIVE))
  const keys = new Set<string>()
  each(topologyKeys, `${path}.topologyKeys`, (key, at) => {
    if (keys.has(key)) errors.push(duplicate(at, key))
    keys.add(key)
    checkMessages(`${path}.topologyKeys`, key, qualifiedName(key), errors)
  })
}
