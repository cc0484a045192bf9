import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { duplicate, forbidden, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { qualifiedName } from '#api/names.ts'
import { Quantity, quantityOf } from '#api/quantity.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { checkResourceAmount, checkResourceName } from '#api/validation/resources.ts'

export type LimitRange = types.LimitRange

const LISTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

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
      if (!item.type) errors.push(required(`${at}.type`))
      else checkMessages(`${at}.type`, item.type, qualifiedName(item.type), errors)
      if (types.has(item.type)) errors.push(duplicate(`${at}.type`, item.type))
      types.add(item.type)
      checkItem(item, at, errors)
    })
    return errors
  },
})

function checkItem(item: types.LimitRangeItem, path: string, errors: Errors): void {
  const names = new Set<string>()
  for (const list of LISTS)
    for (const [name, amount] of Object.entries(item[list] ?? {})) {
      checkResourceName(`${path}.${list}[${name}]`, name, errors)
      checkResourceAmount(`${path}.${list}[${name}]`, name, amount, errors)
      names.add(name)
    }
  if (item.type === 'Pod') {
    if (Object.keys(item.default ?? {}).length) errors.push(forbidden(`${path}.default`, "may not be specified when `type` is 'Pod'"))
    if (Object.keys(item.defaultRequest ?? {}).length)
      errors.push(forbidden(`${path}.defaultRequest`, "may not be specified when `type` is 'Pod'"))
  }
  if (item.type === 'PersistentVolumeClaim' && !item.min?.['storage'] && !item.max?.['storage'])
    errors.push(required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided'))
  for (const name of names) checkOrder(item, name, path, errors)
}

/** min <= defaultRequest <= default <= max, and a ratio that leaves room for all of it. */
function checkOrder(item: types.LimitRangeItem, name: string, path: string, errors: Errors): void {
  const of = (list: (typeof LISTS)[number]) => (item[list]?.[name] === undefined ? undefined : quantityOf(item[list][name]))
  const [min, max, limit, request, ratio] = [of('min'), of('max'), of('default'), of('defaultRequest'), of('maxLimitRequestRatio')]
  const ordered = (
    list: 'min' | 'default' | 'defaultRequest',
    low: [string, Quantity | undefined],
    high: [string, Quantity | undefined],
  ) => {
    const [[lowName, lower], [highName, upper]] = [low, high]
    if (!lower || !upper || lower.compare(upper) <= 0) return
    errors.push(
      invalid(`${path}.${list}[${name}]`, item[list]![name], `${lowName} value ${lower} is greater than ${highName} value ${upper}`),
    )
  }
  ordered('min', ['min', min], ['max', max])
  ordered('defaultRequest', ['min', min], ['default request', request])
  ordered('defaultRequest', ['default request', request], ['max', max])
  ordered('defaultRequest', ['default request', request], ['default limit', limit])
  ordered('default', ['min', min], ['default', limit])
  ordered('default', ['default', limit], ['max', max])
  if (!ratio) return
  const at = `${path}.maxLimitRequestRatio[${name}]`
  if (ratio.compare(Quantity.of(1)) < 0) errors.push(invalid(at, item.maxLimitRequestRatio![name], `ratio ${ratio} is less than 1`))
  if (min && max && min.sign > 0 && ratio.milliValue() / 1000 > max.milliValue() / min.milliValue())
    errors.push(
      invalid(
        at,
        item.maxLimitRequestRatio![name],
        `ratio ${ratio} is greater than max/min = ${(max.milliValue() / min.milliValue()).toFixed(6)}`,
      ),
    )
}
