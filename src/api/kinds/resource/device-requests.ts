// What claims and their templates ask for: defaults and rules that hold without compiling CEL.
import { duplicate, invalid, required, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { checkName, checkOneOf, each, type Errors } from '#api/validation/checks.ts'

const MOST = 32

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
  const { requests = [], constraints = [], config = [] } = spec?.devices ?? {}
  const at = `${path}.devices`
  for (const [field, list] of [
    ['requests', requests],
    ['constraints', constraints],
    ['config', config],
  ] as const)
    if (list.length > MOST) errors.push(tooMany(`${at}.${field}`, list.length, MOST))
  const names = new Set<string>()
  each(requests, `${at}.requests`, ({ name, exactly, firstAvailable }, where) => {
    checkName(`${where}.name`, name, dnsLabel, errors)
    if (names.has(name)) errors.push(duplicate(`${where}.name`, name))
    names.add(name)
    if (!exactly && !firstAvailable?.length) errors.push(required(where, 'exactly one of `exactly` or `firstAvailable` is required'))
    if (exactly && firstAvailable?.length)
      errors.push(invalid(where, '', 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set'))
    if (exactly) checkRequest(exactly, `${where}.exactly`, errors)
    if ((firstAvailable?.length ?? 0) > 8) errors.push(tooMany(`${where}.firstAvailable`, firstAvailable!.length, 8))
    each(firstAvailable, `${where}.firstAvailable`, (sub, place) => {
      checkName(`${place}.name`, sub.name, dnsLabel, errors)
      names.add(`${name}/${sub.name}`)
      checkRequest(sub, place, errors)
    })
  })
  const known = (list: readonly string[] | undefined, where: string) =>
    each(list, `${where}.requests`, (request, place) => {
      if (!names.has(request))
        errors.push(
          invalid(place, request, "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"),
        )
    })
  each(constraints, `${at}.constraints`, ({ requests: listed, matchAttribute, distinctAttribute }, where) => {
    known(listed, where)
    if (!matchAttribute && !distinctAttribute) errors.push(required(where, 'exactly one constraint type is required'))
  })
  each(config, `${at}.config`, ({ requests: listed, opaque }, where) => {
    known(listed, where)
    if (!opaque) errors.push(required(`${where}.opaque`))
    else checkName(`${where}.opaque.driver`, opaque.driver, dnsSubdomain, errors)
  })
}

function checkRequest(request: types.ExactDeviceRequest | types.DeviceSubRequest, path: string, errors: Errors): void {
  checkName(`${path}.deviceClassName`, request.deviceClassName, dnsSubdomain, errors)
  checkSelectors(request.selectors, `${path}.selectors`, errors)
  const { allocationMode, count = 0 } = request
  checkOneOf(`${path}.allocationMode`, allocationMode, ['All', 'ExactCount'], errors)
  if (allocationMode === 'All' && count !== 0)
    errors.push(invalid(`${path}.count`, count, "must not be specified when allocationMode is 'All'"))
  if (allocationMode === 'ExactCount' && count <= 0) errors.push(invalid(`${path}.count`, count, 'must be greater than zero'))
  each(request.tolerations, `${path}.tolerations`, ({ key, operator, value, effect }, at) => {
    checkOneOf(`${at}.operator`, operator, ['Equal', 'Exists'], errors)
    if (!key && operator !== 'Exists') errors.push(required(`${at}.key`, "must be set unless operator is 'Exists'"))
    if (operator === 'Exists' && value) errors.push(invalid(`${at}.value`, value, 'must be empty for operator `Exists`'))
    if (effect) checkOneOf(`${at}.effect`, effect, ['NoExecute', 'NoSchedule', 'None'], errors)
  })
}

export function checkSelectors(selectors: types.DeviceSelector[] | undefined, path: string, errors: Errors): void {
  if ((selectors?.length ?? 0) > MOST) errors.push(tooMany(path, selectors!.length, MOST))
  each(selectors, path, ({ cel }, at) => {
    if (!cel) errors.push(required(`${at}.cel`))
    else if (!cel.expression) errors.push(required(`${at}.cel.expression`))
    else if (cel.expression.length > 10 * 1024)
      errors.push({ type: 'FieldValueTooLong', field: `${at}.cel.expression`, message: 'Too long: may not be more than 10240 bytes' })
  })
}
