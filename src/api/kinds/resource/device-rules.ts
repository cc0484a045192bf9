// Rules of devices as slices offer them: attributes, capacities, taints, counters, and the nodes they are at.
import { forbidden, invalid, required, tooLong, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dnsSubdomain } from '#api/names.ts'
import { type Quantity, quantityOf } from '#api/quantity.ts'
import { validateNodeSelector } from '#api/validation/affinity.ts'
import { checkMessages, type Errors } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { checkConditionNames } from './claim-status.ts'
import { checkBindingConditions, checkDeviceName } from './device-names.ts'
import { checkLabel, checkList, checkSet, checkTaint } from './device-requests.ts'

const [MOST_NAMED, MOST_TAINTS, MOST_CONSUMPTIONS, MOST_COUNTERS, MOST_TEXT, MOST_OPTIONS] = [32, 16, 2, 32, 64, 10] as const
const NUMBER = '(0|[1-9]\\d*)'
const PRERELEASE = `(${NUMBER}|\\d*[a-zA-Z-][0-9a-zA-Z-]*)`
const SEMVER = new RegExp(`^${NUMBER}\\.${NUMBER}\\.${NUMBER}(-${PRERELEASE}(\\.${PRERELEASE})*)?(\\+[0-9a-zA-Z-]+(\\.[0-9a-zA-Z-]+)*)?$`)
const WHERE =
  'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec'

interface Slice {
  perDevice: boolean
  previous: types.Device | undefined
  errors: Errors
}

export function checkDevice(device: types.Device, path: string, { perDevice, previous, errors }: Slice): void {
  checkLabel(`${path}.name`, device.name, errors)
  const { attributes = {}, capacity = {}, taints, allowMultipleAllocations: shared = false } = device
  const named = Object.keys(attributes).length + Object.keys(capacity).length
  if (named > MOST_NAMED) errors.push(invalid(path, named, `the total number of attributes and capacities must not exceed ${MOST_NAMED}`))
  for (const [name, attribute] of Object.entries(attributes)) {
    const at = `${path}.attributes[${name}]`
    checkDeviceName(at, name, errors)
    checkAttribute(attribute, at, errors)
  }
  for (const [name, { value, requestPolicy }] of Object.entries(capacity)) {
    const at = `${path}.capacity[${name}]`
    checkDeviceName(at, name, errors)
    if (requestPolicy && !shared) errors.push(forbidden(`${at}.requestPolicy`, 'allowMultipleAllocations must be true'))
    else if (requestPolicy) checkPolicy(requestPolicy, quantityOf(value), { path: `${at}.requestPolicy`, errors })
  }
  if (!previous || !sameJson(previous.taints, taints))
    checkList(taints, `${path}.taints`, { most: MOST_TAINTS, errors }, (taint, at) => checkTaint(taint, at, errors))
  const consumed = { most: MOST_CONSUMPTIONS, key: (one: types.DeviceCounterConsumption) => one.counterSet, errors }
  checkSet(device.consumesCounters, `${path}.consumesCounters`, consumed, ({ counterSet, counters }, at) => {
    if (!counterSet) errors.push(required(`${at}.counterSet`))
    else checkLabel(`${at}.counterSet`, counterSet, errors)
    checkCounters(counters, `${at}.counters`, errors)
  })
  checkPlace(device, path, { perDevice, errors })
  checkBindingConditions(device, path, { check: (at, list) => checkConditionNames(at, list, errors), errors })
}

function checkPlace(device: types.Device, path: string, { perDevice, errors }: { perDevice: boolean; errors: Errors }): void {
  const { nodeName, nodeSelector, allNodes } = device
  if (!perDevice) {
    if (nodeName !== undefined || nodeSelector || allNodes !== undefined)
      errors.push(
        invalid(
          path,
          null,
          '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec',
        ),
      )
    return
  }
  const set: string[] = []
  if (nodeName === '') errors.push(invalid(`${path}.nodeName`, nodeName, 'must not be empty'))
  else if (nodeName !== undefined) {
    set.push('`nodeName`')
    checkMessages(`${path}.nodeName`, nodeName, dnsSubdomain(nodeName), errors)
  }
  if (nodeSelector) {
    set.push('`nodeSelector`')
    errors.push(...validateNodeSelector(nodeSelector, `${path}.nodeSelector`))
  }
  if (allNodes) set.push('`allNodes`')
  else if (allNodes !== undefined) errors.push(invalid(`${path}.allNodes`, allNodes, 'must be either unset or set to true'))
  if (set.length === 0) errors.push(required(path, WHERE))
  else if (set.length > 1) errors.push(invalid(path, `{${set.join(', ')}}`, WHERE))
}

export function checkCounters(counters: Record<string, types.Counter> | undefined, path: string, errors: Errors): void {
  const names = Object.keys(counters ?? {})
  if (names.length === 0) errors.push(required(path))
  else if (names.length > MOST_COUNTERS) errors.push(tooMany(path, names.length, MOST_COUNTERS))
  else for (const name of names) checkLabel(`${path}[${name}]`, name, errors)
}

function checkAttribute(attribute: types.DeviceAttribute, path: string, errors: Errors): void {
  for (const text of [attribute.string, ...(attribute.strings ?? [])])
    if (text !== undefined && Buffer.byteLength(text) > MOST_TEXT) errors.push(tooLong(`${path}.string`, MOST_TEXT))
  for (const version of [attribute.version, ...(attribute.versions ?? [])]) {
    if (version === undefined) continue
    if (!SEMVER.test(version)) errors.push(invalid(`${path}.version`, version, 'must be a string compatible with semver.org spec 2.0.0'))
    if (version.length > MOST_TEXT) errors.push(tooLong(`${path}.version`, MOST_TEXT))
  }
  const given = Object.values(attribute).filter((value) => value !== undefined && value !== null).length
  if (given !== 1) errors.push(invalid(path, given === 0 ? '' : attribute, 'exactly one value must be specified'))
}

interface At {
  path: string
  errors: Errors
}

function checkPolicy(policy: types.CapacityRequestPolicy, most: Quantity, { path, errors }: At): void {
  const { validValues, validRange, default: usual } = policy
  if (validValues?.length && validRange)
    return void errors.push(
      forbidden(path, 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'),
    )
  const field = validValues?.length ? 'validValues' : validRange ? 'validRange' : undefined
  if (!field) return
  if (usual === undefined) errors.push(required(`${path}.default`, `required when ${field} is defined`))
  else if (field === 'validValues') checkValues(validValues!, { usual: quantityOf(usual), most }, { path: `${path}.${field}`, errors })
  else checkAmounts(validRange!, { usual: quantityOf(usual), most }, { path: `${path}.${field}`, errors })
}

interface Amounts {
  usual: Quantity
  most: Quantity
}

function checkValues(values: string[], { usual, most }: Amounts, { path, errors }: At): void {
  const amounts = values.map((value) => quantityOf(value))
  for (const [index, amount] of amounts.entries())
    if (index > 0 && amounts[index - 1]!.compare(amount) > 0)
      errors.push(invalid(`${path}[${index}]`, amount.toString(), 'values must be sorted in ascending order'))
  checkSet(amounts, path, { most: MOST_OPTIONS, key: (amount) => String(amount.value()), errors }, (amount, at) => {
    if (amount.compare(most) > 0) errors.push(invalid(at, amount.toString(), `option is larger than capacity value: ${most}`))
  })
  if (!amounts.some((amount) => amount.compare(usual) === 0))
    errors.push(invalid(path, usual.toString(), 'default value is not valid according to the requestPolicy'))
}

function checkAmounts(range: types.CapacityRequestPolicyRange, { usual, most }: Amounts, { path, errors }: At): void {
  if (range.min === undefined) return void errors.push(required(`${path}.min`, 'required when validRange is defined'))
  const [min, max, step] = [range.min, range.max, range.step].map((text) => (text === undefined ? undefined : quantityOf(text)))
  const tell = (field: string, amount: Quantity, why: string) => errors.push(invalid(`${path}.${field}`, amount.toString(), why))
  if (min!.compare(most) > 0) tell('min', min!, `min is larger than capacity value: ${most}`)
  if (usual.compare(min!) < 0) tell('min', usual, `default is less than min: ${min}`)
  if (max) {
    if (min!.compare(max) > 0) tell('max', min!, `min is larger than max: ${max}`)
    if (max.compare(most) > 0) tell('max', max, `max is larger than capacity value: ${most}`)
    if (usual.compare(max) > 0) tell('max', usual, `default is more than max: ${max}`)
  }
  if (!step) return
  const one = min!.add(step)
  if (one.compare(most) > 0) tell('step', step, `one step ${one} is larger than capacity value: ${most}`)
  for (const amount of [usual, ...(max ? [max] : [])])
    if (step.value() === 0 || (amount.value() - min!.value()) % step.value() !== 0)
      tell('step', amount, `value is not a multiple of a given step (${step}) from (${min})`)
}
