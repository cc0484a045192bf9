import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { duplicate, forbidden, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { qualifiedName } from '#api/names.ts'
import { Quantity, quantityOf } from '#api/quantity.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { checkContainerResourceName, checkQuantity, checkResourceName, isOvercommitAllowed } from '#api/validation/resources.ts'

export type LimitRange = types.LimitRange

const LISTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const
type List = (typeof LISTS)[number]
const TYPES = ['Container', 'PersistentVolumeClaim', 'Pod']

export const LimitRange = defineKind<LimitRange>({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  shortNames: ['limits'],
  scope: 'Namespaced',
  createOnUpdate: true,
  default({ spec }) {
    for (const item of spec?.limits ?? []) {
      for (const list of LISTS) defaultResourceList(item[list])
      if (item.type !== 'Container') continue
      item.default = { ...item.max, ...item.default }
      item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest }
    }
  },
  prepareForCreate(range, { uuid }) {
    if (!range.metadata?.name) range.metadata = { ...range.metadata, name: uuid() }
  },
  validate({ spec }) {
    const errors: Errors = []
    const types = new Set<string>()
    each(spec?.limits, 'spec.limits', (item, at) => {
      checkType(`${at}.type`, item.type ?? '', errors)
      if (types.has(item.type)) errors.push(duplicate(`${at}.type`, item.type))
      types.add(item.type)
      checkItem(item, at, errors)
    })
    return errors
  },
})

function checkType(path: string, type: string, errors: Errors): void {
  const messages = qualifiedName(type)
  checkMessages(path, type, messages, errors)
  if (messages.length === 0 && !type.includes('/') && !TYPES.includes(type))
    errors.push(invalid(path, type, 'must be a standard limit type or fully qualified'))
}

function checkItem(item: types.LimitRangeItem, path: string, errors: Errors): void {
  const names = new Set<string>()
  const ofPods = item.type === 'Pod' || item.type === 'Container'
  const checkName = ofPods ? checkContainerResourceName : checkResourceName
  let readable = true
  const checkList = (list: List) => {
    for (const [name, amount] of Object.entries(item[list] ?? {})) {
      const at = `${path}.${list}[${name}]`
      checkName(at, name, errors)
      readable = checkQuantity(at, amount, errors) && readable
      names.add(name)
    }
  }
  checkList('max')
  checkList('min')
  for (const list of ['default', 'defaultRequest'] as const)
    if (item.type !== 'Pod') checkList(list)
    else if (Object.keys(item[list] ?? {}).length) errors.push(forbidden(`${path}.${list}`, "may not be specified when `type` is 'Pod'"))
  if (item.type === 'PersistentVolumeClaim' && !item.min?.['storage'] && !item.max?.['storage'])
    errors.push(required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided'))
  checkList('maxLimitRequestRatio')
  if (readable) for (const name of names) checkOrder(item, name, path, errors)
}

/** min <= defaultRequest <= default <= max, and a ratio that leaves room for all of it. Upstream shows now the field, now its bound. */
function checkOrder(item: types.LimitRangeItem, name: string, path: string, errors: Errors): void {
  const of = (list: List) => {
    const found = list.startsWith('default') && item.type === 'Pod' ? undefined : item[list]
    return found && Object.hasOwn(found, name) ? quantityOf(found[name]) : undefined
  }
  const [min, max, limit, request, ratio] = [of('min'), of('max'), of('default'), of('defaultRequest'), of('maxLimitRequestRatio')]
  type Bound = [string, Quantity | undefined]
  const check = (list: List, shown: Quantity | undefined, [lowName, low]: Bound, [highName, high]: Bound) => {
    if (low && high && low.compare(high) > 0)
      errors.push(
        invalid(`${path}.${list}[${name}]`, shown!.toString(), `${lowName} value ${low} is greater than ${highName} value ${high}`),
      )
  }
  check('min', min, ['min', min], ['max', max])
  check('defaultRequest', request, ['min', min], ['default request', request])
  check('defaultRequest', request, ['default request', request], ['max', max])
  check('defaultRequest', request, ['default request', request], ['default limit', limit])
  check('default', min, ['min', min], ['default', limit])
  check('default', max, ['default', limit], ['max', max])
  if (ratio) checkRatio(`${path}.maxLimitRequestRatio[${name}]`, ratio, [min, max], errors)
  if (!isOvercommitAllowed(name) && limit && request && limit.compare(request) !== 0)
    errors.push(
      invalid(
        `${path}.defaultRequest[${name}]`,
        request.toString(),
        `default value ${limit} must equal to defaultRequest value ${request} in ${name}`,
      ),
    )
}

function checkRatio(path: string, ratio: Quantity, [min, max]: [Quantity | undefined, Quantity | undefined], errors: Errors): void {
  if (ratio.compare(Quantity.of(1)) < 0) errors.push(invalid(path, ratio.toString(), `ratio ${ratio} is less than 1`))
  if (!min || !max || min.sign === 0) return
  const most = max.milliValue() / min.milliValue()
  if (ratio.milliValue() / 1000 > most)
    errors.push(invalid(path, ratio.toString(), `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`))
}
