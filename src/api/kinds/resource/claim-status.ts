// Rules of what a claim was given: who uses it, which devices it has, and what their drivers tell of them.
import { forbidden, invalid, notSupported, required, tooLong, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { validateConditions } from '#api/meta/object-meta.ts'
import { qualifiedName } from '#api/names.ts'
import { validateNodeSelector } from '#api/validation/affinity.ts'
import { checkImmutable, checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { cidrMessages, canonicalIP, familyOf } from '#api/validation/ip.ts'
import { checkDriverName } from '#api/validation/volume-sources.ts'
import { checkBindingConditions, checkPoolName, checkRaw, checkShareId, MOST_PARAMETERS } from './device-names.ts'
import { checkLabel, checkList, checkOpaque, checkRequestRef, checkRequestRefs, checkSet, MOST, requestNames } from './device-requests.ts'

type Claim = types.ResourceResourceClaim

const MOST_USERS = 256
const MOST_CONDITIONS = 4
const SOURCES = ['FromClaim', 'FromClass']

export function checkClaimStatus({ metadata, spec, status = {} }: Claim, previous: Claim | undefined, errors: Errors): void {
  const { reservedFor, allocation, devices } = status
  const old = previous?.status ?? {}
  const users = 'status.reservedFor'
  checkSet(reservedFor, users, { most: MOST_USERS, key: ({ uid }) => uid, errors }, ({ resource, name, uid }, at) => {
    if (!resource) errors.push(required(`${at}.resource`))
    if (!name) errors.push(required(`${at}.name`))
    if (!uid) errors.push(required(`${at}.uid`))
  })
  const given = new Set((allocation?.devices?.results ?? []).map(deviceId))
  checkSet(devices, 'status.devices', { most: Infinity, key: deviceId, errors }, (device, at) => checkDevice(device, at, { given, errors }))
  if (reservedFor?.length && !allocation) errors.push(forbidden(users, 'may not be specified when `allocated` is not set'))
  else if (reservedFor?.length && metadata?.deletionTimestamp) {
    const before = new Set((old.reservedFor ?? []).map((user) => JSON.stringify(user)))
    if (reservedFor.some((user) => !before.has(JSON.stringify(user))))
      errors.push(forbidden(users, 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set'))
  }
  if (!allocation) return
  if (old.allocation) return checkImmutable('status.allocation', allocation, old.allocation, errors)
  checkAllocation(allocation, requestNames(spec), errors)
}

type Id = Pick<types.AllocatedDeviceStatus, 'driver' | 'pool' | 'device' | 'shareID'>

/** As upstream spells it. */
const deviceId = ({ driver, pool, device, shareID }: Id) => `${driver}/${pool}/${device}${shareID ? `/${shareID}` : ''}`

function checkAllocation({ devices, nodeSelector }: types.AllocationResult, names: ReadonlySet<string>, errors: Errors): void {
  const at = 'status.allocation'
  checkList(devices?.results, `${at}.devices.results`, { most: MOST, errors }, (result, where) => {
    checkRequestRef(result.request, `${where}.request`, { names, errors })
    checkDriverName(`${where}.driver`, result.driver, errors)
    checkPoolName(`${where}.pool`, result.pool, errors)
    checkLabel(`${where}.device`, result.device, errors)
    checkBindingConditions(result, where, { check: (path, list) => checkConditionNames(path, list, errors), errors })
    checkShareId(`${where}.shareID`, result.shareID, errors)
  })
  checkList(devices?.config, `${at}.devices.config`, { most: 2 * MOST, errors }, ({ source, requests, opaque }, where) => {
    if (!source) errors.push(required(`${where}.source`))
    else if (!SOURCES.includes(source)) errors.push(notSupported(`${where}.source`, source, SOURCES))
    checkRequestRefs(requests, `${where}.requests`, { names, errors })
    checkOpaque(opaque, where, errors)
  })
  errors.push(...validateNodeSelector(nodeSelector, `${at}.nodeSelector`))
}

export function checkConditionNames(path: string, list: string[], errors: Errors): void {
  checkList(list, path, { most: MOST_CONDITIONS, errors }, (one, at) => checkMessages(at, one, qualifiedName(one), errors))
}

function checkDevice(
  device: types.AllocatedDeviceStatus,
  path: string,
  { given, errors }: { given: ReadonlySet<string>; errors: Errors },
): void {
  checkDriverName(`${path}.driver`, device.driver, errors)
  checkPoolName(`${path}.pool`, device.pool, errors)
  checkLabel(`${path}.device`, device.device, errors)
  checkShareId(`${path}.shareID`, device.shareID, errors)
  if (!given.has(deviceId(device))) errors.push(invalid(path, deviceId(device), 'must be an allocated device in the claim'))
  const { networkData: network } = device
  const conditions = device.conditions ?? []
  if (conditions.length > 8) errors.push(tooMany(`${path}.conditions`, conditions.length, 8))
  errors.push(...validateConditions(conditions, `${path}.conditions`))
  if (device.data !== undefined && device.data !== null) checkRaw(`${path}.data`, device.data, MOST_PARAMETERS, errors)
  if (!network) return
  const at = `${path}.networkData`
  if ((network.interfaceName ?? '').length > 256) errors.push(tooLong(`${at}.interfaceName`, 256))
  if ((network.hardwareAddress ?? '').length > 128) errors.push(tooLong(`${at}.hardwareAddress`, 128))
  if ((network.ips?.length ?? 0) > 16) return void errors.push(tooMany(`${at}.ips`, network.ips!.length, 16))
  each(network.ips, `${at}.ips`, (address, where) => checkInterfaceAddress(address, where, errors))
  checkSet(network.ips, `${at}.ips`, { most: 16, key: (address) => address, errors }, () => {})
}

/** An address with the length of its network, in the one spelling there is of it. */
function checkInterfaceAddress(value: string, path: string, errors: Errors): void {
  const [address = '', length = ''] = value.split('/')
  // The bits of the host are what makes it an address.
  const messages = cidrMessages(value).filter((message) => message !== 'must not have bits set beyond the prefix length')
  if (messages.some((message) => message.startsWith('must be a valid CIDR')) || !familyOf(address))
    return void errors.push(invalid(path, value, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)'))
  const canonical = `${canonicalIP(address)}/${Number(length)}`
  if (messages.length > 0 || canonical !== value) errors.push(invalid(path, value, `must be in canonical form ("${canonical}")`))
}
