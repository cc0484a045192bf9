import { defineKind } from '#api/define-kind.ts'
import { invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { canonicalCIDRMessages, familyOf } from '#api/validation/ip.ts'

export type ServiceCIDR = types.ServiceCIDR

export const ServiceCIDR = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
  validate({ spec }, previous, { subresource }) {
    // Upstream checks nothing of the status: its own Ready condition has no reason.
    if (subresource === 'status') return []
    const errors: Errors = []
    const cidrs = spec?.cidrs ?? []
    if (cidrs.length === 0) errors.push(required('spec.cidrs', 'at least one CIDR required'))
    if (cidrs.length > 2) errors.push(invalid('spec.cidrs', cidrs, 'may only hold up to 2 values'))
    if (cidrs.length === 2 && familyOf(cidrs[0]!) === familyOf(cidrs[1]!))
      errors.push(invalid('spec.cidrs', cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96'))
    each(cidrs, 'spec.cidrs', (cidr, at) => checkMessages(at, cidr, canonicalCIDRMessages(cidr), errors))
    // A second family may be added; what is there stays.
    each(previous?.spec?.cidrs, 'spec.cidrs', (cidr, at, index) => {
      if (cidrs[index] !== cidr) errors.push(invalid(at, cidrs[index], 'field is immutable'))
    })
    return errors
  },
  columns: columnsOf<ServiceCIDR>({
    name: 'CIDRs',
    description: 'Ranges service addresses come from.',
    value: ({ spec }) => (spec?.cidrs ?? []).join(','),
  }),
})
