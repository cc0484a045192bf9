// What claims and their templates ask for: defaults and rules that hold without compiling CEL.
import { duplicate, invalid, notSupported, required, tooLong, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain, labelValueMessages, qualifiedName } from '#api/names.ts'
import { checkMessages, checkName, each, type Errors } from '#api/validation/checks.ts'
import { checkDriverName } from '#api/validation/volume-sources.ts'
import { checkFullDeviceName, checkRaw, MOST_PARAMETERS } from './device-names.ts'

export const MOST = 32
const MOST_CHOICES = 8
const MOST_EXPRESSION = 10 * 1024
const EFFECTS = ['NoExecute', 'NoSchedule', 'None']
const NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

export function defaultClaim(spec: types.ResourceClaimSpec | undefined): void {
  for (const request of spec?.devices?.requests ?? [])
    for (const one of [request.exactly, ...(request.firstAvailable ?? [])]) if (one) defaultRequest(one)
}

function defaultRequest(request: types.ExactDeviceRequest | types.DeviceSubRequest): void {
  request.allocationMode ??= 'ExactCount'
  if (request.allocationMode === 'ExactCount') request.count ||= 1
  for (const toleration of request.tolerations ?? []) toleration.operator ??= 'Equal'
}

export function checkClaimSpec(spec: types.ResourceClaimSpec | undefined, path: string, errors: Errors): void {
  const { requests, constraints, config } = spec?.devices ?? {}
  const at = `${path}.devices`
  const names = requestNames(spec)
  checkSet(requests, `${at}.requests`, { most: MOST, key: ({ name }) => name, errors }, (request, where) =>
    checkDeviceRequest(request, where, errors),
  )
  checkList(constraints, `${at}.constraints`, { most: MOST, errors }, ({ requests: listed, matchAttribute, distinctAttribute }, where) => {
    checkRequestRefs(listed, `${where}.requests`, { names, errors })
    if (matchAttribute !== undefined) checkFullDeviceName(`${where}.matchAttribute`, matchAttribute, errors)
    else if (distinctAttribute !== undefined) checkFullDeviceName(`${where}.distinctAttribute`, distinctAttribute, errors)
    else errors.push(required(where, 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'))
  })
  checkList(config, `${at}.config`, { most: MOST, errors }, ({ requests: listed, opaque }, where) => {
    checkRequestRefs(listed, `${where}.requests`, { names, errors })
    checkOpaque(opaque, where, errors)
  })
}

/** Each request, and each of its choices as `request/choice`. */
export function requestNames(spec: types.ResourceClaimSpec | undefined): ReadonlySet<string> {
  return new Set(
    (spec?.devices?.requests ?? []).flatMap(({ name, firstAvailable }) => [
      name,
      ...(firstAvailable ?? []).map((choice) => `${name}/${choice.name}`),
    ]),
  )
}

function checkDeviceRequest({ name, exactly, firstAvailable }: types.DeviceRequest, path: string, errors: Errors): void {
  checkLabel(`${path}.name`, name, errors)
  const choices = firstAvailable?.length ? firstAvailable : undefined
  if (!exactly && !choices) errors.push(required(path, 'exactly one of `exactly` or `firstAvailable` is required'))
  else if (exactly && choices)
    errors.push(invalid(path, null, 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set'))
  else if (exactly) checkAsked(exactly, `${path}.exactly`, errors)
  else
    checkSet(choices, `${path}.firstAvailable`, { most: MOST_CHOICES, key: (choice) => choice.name, errors }, (choice, at) => {
      checkLabel(`${at}.name`, choice.name, errors)
      checkAsked(choice, at, errors)
    })
}

function checkAsked(request: types.ExactDeviceRequest | types.DeviceSubRequest, path: string, errors: Errors): void {
  checkName(`${path}.deviceClassName`, request.deviceClassName, dnsSubdomain, errors)
  checkSelectors(request.selectors, `${path}.selectors`, errors)
  const { allocationMode = '', count = 0 } = request
  if (allocationMode === 'All') {
    if (count !== 0) errors.push(invalid(`${path}.count`, count, "must not be specified when allocationMode is 'All'"))
  } else if (allocationMode === 'ExactCount') {
    if (count <= 0) errors.push(invalid(`${path}.count`, count, 'must be greater than zero'))
  } else errors.push(notSupported(`${path}.allocationMode`, allocationMode, ['All', 'ExactCount']))
  each(request.tolerations, `${path}.tolerations`, (toleration, at) => checkToleration(toleration, at, errors))
}

function checkToleration({ key, operator, value, effect }: types.DeviceToleration, path: string, errors: Errors): void {
  if (key) checkMessages(`${path}.key`, key, qualifiedName(key), errors)
  if (operator === 'Exists') {
    if (value) errors.push(invalid(`${path}.value`, value, 'must be empty for operator `Exists`'))
  } else if (operator === 'Equal') checkMessages(`${path}.value`, value ?? '', labelValueMessages(value ?? ''), errors)
  else if (!operator) errors.push(required(`${path}.operator`))
  else errors.push(notSupported(`${path}.operator`, operator, ['Equal', 'Exists']))
  if (effect && !EFFECTS.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, EFFECTS))
}

export function checkTaint({ key, value, effect }: types.DeviceTaint, path: string, errors: Errors): void {
  checkMessages(`${path}.key`, key ?? '', qualifiedName(key ?? ''), errors)
  if (value) checkMessages(`${path}.value`, value, labelValueMessages(value), errors)
  if (!effect) errors.push(required(`${path}.effect`))
  else if (!EFFECTS.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, EFFECTS))
}

export function checkSelectors(selectors: types.DeviceSelector[] | undefined, path: string, errors: Errors): void {
  checkList(selectors, path, { most: MOST, errors }, ({ cel }, at) => {
    if (!cel) errors.push(required(`${at}.cel`))
    else if (Buffer.byteLength(cel.expression ?? '') > MOST_EXPRESSION) errors.push(tooLong(`${at}.cel.expression`, MOST_EXPRESSION))
  })
}

export function checkOpaque(opaque: types.OpaqueDeviceConfiguration | undefined, path: string, errors: Errors): void {
  if (!opaque) return void errors.push(required(`${path}.opaque`))
  checkDriverName(`${path}.opaque.driver`, opaque.driver, errors)
  checkRaw(`${path}.opaque.parameters`, opaque.parameters, MOST_PARAMETERS, errors)
}

interface Named {
  names: ReadonlySet<string>
  errors: Errors
}

export function checkRequestRefs(list: string[] | undefined, path: string, { names, errors }: Named): void {
  checkSet(list, path, { most: MOST, key: (name) => name, errors }, (name, at) => checkRequestRef(name, at, { names, errors }))
}

export function checkRequestRef(name: string, path: string, { names, errors }: Named): void {
  const segments = name.split('/')
  if (segments.length <= 2) for (const segment of segments) checkLabel(path, segment, errors)
  if (segments.length > 2 || !names.has(name)) errors.push(invalid(path, name, NO_REQUEST))
}

export const checkLabel = (path: string, name: string | undefined, errors: Errors): void =>
  checkMessages(path, name ?? '', dnsLabel(name ?? ''), errors)

interface Bounds {
  most: number
  errors: Errors
}

/** Too many are counted, and none of them looked at. */
export function checkList<T>(
  list: readonly T[] | null | undefined,
  path: string,
  { most, errors }: Bounds,
  visit: (item: T, path: string) => void,
): void {
  if ((list?.length ?? 0) > most) errors.push(tooMany(path, list!.length, most))
  else each(list, path, visit)
}

export function checkSet<T>(
  list: readonly T[] | null | undefined,
  path: string,
  { key, ...bounds }: Bounds & { key: (item: T) => unknown },
  visit: (item: T, path: string) => void,
): void {
  checkList(list, path, bounds, visit)
  if ((list?.length ?? 0) > bounds.most) return
  const seen = new Set<string>()
  each(list, path, (item, at) => {
    const value = key(item)
    const text = JSON.stringify(value)
    if (seen.has(text)) bounds.errors.push(duplicate(at, value))
    seen.add(text)
  })
}
