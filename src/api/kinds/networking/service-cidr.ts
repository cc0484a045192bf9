import { defineKind } from '#api/define-kind.ts'
import { invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { checkImmutable, checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { canonicalCIDRMessages, cidrMessages, familyOf } from '#api/validation/ip.ts'

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
    checkRanges(cidrs, errors)
    const old = previous?.spec?.cidrs ?? []
    // A second family may be added; what is there stays.
    if (previous && (old.length === cidrs.length || (old.length === 1 && cidrs.length === 2)))
      each(old, 'spec.cidrs', (cidr, at, index) => checkImmutable(at, cidrs[index], cidr, errors))
    else if (previous) checkImmutable('spec.cidrs', cidrs, old, errors)
    return errors
  },
  columns: columnsOf<ServiceCIDR>({
    name: 'CIDRs',
    description: 'Ranges service addresses come from.',
    value: ({ spec }) => (spec?.cidrs ?? []).join(','),
  }),
})

function checkRanges(cidrs: readonly string[], errors: Errors): void {
  const at = 'spec.cidrs'
  const shown = internalForm('ServiceCIDRSpec', { cidrs })
  if (cidrs.length === 0) return void errors.push(required(at, 'at least one CIDR required'))
  if (cidrs.length > 2) return void errors.push(invalid(at, shown, 'may only hold up to 2 values'))
  const families = new Set(
    cidrs.map((cidr) => (cidrMessages(cidr).some((message) => message.startsWith('must be a')) ? '' : familyOf(cidr))),
  )
  if (cidrs.length === 2 && (families.size < 2 || families.has('')))
    return void errors.push(invalid(at, shown, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64'))
  each(cidrs, at, (cidr, where) => checkMessages(where, cidr, canonicalCIDRMessages(cidr), errors))
}
