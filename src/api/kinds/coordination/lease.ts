import { defineKind } from '#api/define-kind.ts'
import { forbidden, invalid, notSupported } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { qualifiedName } from '#api/names.ts'
import { checkMessages, type Errors, NON_NEGATIVE } from '#api/validation/checks.ts'

export type Lease = types.Lease

export const Lease = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  scope: 'Namespaced',
  createOnUpdate: true,
  requireResourceVersionOnUpdate: true,
  validate({ spec = {} }) {
    const errors: Errors = []
    const { leaseDurationSeconds: duration, leaseTransitions: transitions, preferredHolder, strategy } = spec
    if (duration !== undefined && duration <= 0) errors.push(invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0'))
    if (transitions !== undefined && transitions < 0) errors.push(invalid('spec.leaseTransitions', transitions, NON_NEGATIVE))
    // Upstream names the field twice.
    if (strategy?.includes('/')) checkMessages('spec.strategy.strategy', strategy, qualifiedName(strategy), errors)
    else if (strategy !== undefined && strategy !== 'OldestEmulationVersion')
      errors.push(notSupported('spec.strategy.strategy', strategy, ['OldestEmulationVersion']))
    if (preferredHolder && !strategy) errors.push(forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined'))
    return errors
  },
  columns: columnsOf<Lease>({ name: 'Holder', description: 'Who holds the lease.', value: ({ spec }) => spec?.holderIdentity ?? '' }),
})
