// Rules of a service's cluster addresses and their families: each on its own, together, and as they come and go.
import { duplicate, invalid, notSupported, required } from '#api/field-error.ts'
import type { ServiceSpec } from '#api/generated/types.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { familyOf, ipMessages } from '#api/validation/ip.ts'
import { sameJson } from '#api/validation/same-json.ts'

type Spec = ServiceSpec

export const isHeadless = ({ clusterIPs }: Spec) => clusterIPs?.length === 1 && clusterIPs[0] === 'None'

export function checkAddresses(spec: Spec, old: Spec | undefined, errors: Errors): void {
  const { clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec
  const at = 'spec.clusterIPs'
  if (clusterIP) {
    if (clusterIPs.length === 0) errors.push(required(at))
    else if (clusterIPs[0] !== clusterIP) errors.push(invalid(at, clusterIPs, 'first value must match `clusterIP`'))
  } else if (clusterIPs.length > 0) errors.push(invalid(at, clusterIPs, 'must be empty when `clusterIP` is not specified'))
  each(ipFamilies, 'spec.ipFamilies', (family, where, index) => {
    if (family !== 'IPv4' && family !== 'IPv6') errors.push(notSupported(where, family, ['IPv4', 'IPv6']))
    if (ipFamilies.indexOf(family) < index) errors.push(duplicate(where, family))
  })
  if (ipFamilyPolicy !== undefined && !['PreferDualStack', 'RequireDualStack', 'SingleStack'].includes(ipFamilyPolicy))
    errors.push(notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']))
  const wrong: Errors = []
  each(clusterIPs, at, (ip, where, index) => {
    if (ip !== 'None' || index > 0) {
      if (!old?.clusterIPs?.includes(ip)) checkMessages(where, ip, ipMessages(ip), wrong)
    } else if (clusterIPs.length > 1) wrong.push(invalid(at, clusterIPs, "'None' must be the first and only value"))
  })
  errors.push(...wrong)
  if (clusterIPs.length > 2) errors.push(invalid(at, clusterIPs, 'may only hold up to 2 values'))
  if (wrong.length > 0) return
  const families = clusterIPs.map(familyOf)
  if (clusterIPs.length > 1 && new Set(families).size === 1)
    errors.push(invalid(at, clusterIPs, 'may specify no more than one IP for each IP family'))
  if (!isHeadless(spec))
    for (const [index, family] of ipFamilies.slice(0, clusterIPs.length).entries())
      if ((family === 'IPv4' || family === 'IPv6') && families[index] !== family)
        errors.push(invalid(`${at}[${index}]`, clusterIPs[index], `expected an ${family} value as indicated by \`ipFamilies[${index}]\``))
  if (ipFamilyPolicy !== 'SingleStack') return
  for (const [field, list] of Object.entries({ clusterIPs, ipFamilies }))
    if (list.length > 1)
      errors.push(
        invalid(
          'spec.ipFamilyPolicy',
          ipFamilyPolicy,
          `must be RequireDualStack or PreferDualStack when multiple '${field}' are specified`,
        ),
      )
}

/** A second address may come and go; the first stays. */
export function checkAddressUpdate(spec: Spec, old: Spec, errors: Errors): void {
  if (isHeadless(spec) && isHeadless(old)) return
  const [now, before] = [spec.clusterIPs ?? [], old.clusterIPs ?? []]
  const changed = (index: number) => errors.push(invalid(`spec.clusterIPs[${index}]`, now, 'may not change once set'))
  if (now.length === before.length) {
    for (const [index, ip] of before.entries()) if (ip !== now[index]) changed(index)
    return
  }
  if (now.length === 0) errors.push(invalid('spec.clusterIPs[0]', now, 'primary clusterIP can not be unset'))
  else if (before.length > 0 && now[0] !== before[0]) changed(0)
  if (before.length > now.length && now.length === 1) checkReleased(spec, 'clusterIP', errors)
}

export function checkFamilyUpdate(spec: Spec, old: Spec, errors: Errors): void {
  if (isHeadless(spec) || isHeadless(old)) return
  const at = 'spec.ipFamilies[0]'
  const [now, before] = [spec.ipFamilies ?? [], old.ipFamilies ?? []]
  if (now.length === before.length) {
    if (!sameJson(now, before)) errors.push(invalid(at, now, 'may not change once set'))
    return
  }
  if (before.length > now.length && !spec.clusterIPs?.length) errors.push(invalid(at, now, 'primary ipFamily can not be unset'))
  // Upstream shows the addresses here.
  if (now.length > 0 && before.length > 0 && now[0] !== before[0])
    errors.push(invalid(at, spec.clusterIPs ?? null, 'may not change once set'))
  if (before.length > now.length && now.length === 1) checkReleased(spec, 'ipFamily', errors)
}

function checkReleased({ ipFamilyPolicy }: Spec, what: string, errors: Errors): void {
  if (ipFamilyPolicy !== 'SingleStack')
    errors.push(invalid('spec.ipFamilyPolicy', ipFamilyPolicy, `must be set to 'SingleStack' when releasing the secondary ${what}`))
}
