// Rules of autoscalers: bounds, metrics and their targets, scaling behaviour.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dnsSubdomain, pathSegment } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { checkMessages, checkNonNegative, checkOneOf, each, type Errors, presentMembers } from '#api/validation/checks.ts'
import { validateLabelSelector } from '#api/validation/label-selector.ts'
import { checkQuantity } from '#api/validation/resources.ts'

const MEMBERS = ['object', 'pods', 'resource', 'containerResource', 'external'] as const
const TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']

export function validateAutoscaler(
  next: types.HorizontalPodAutoscalerV2,
  _previous: unknown,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') {
    checkNonNegative('status.currentReplicas', next.status?.currentReplicas, errors)
    checkNonNegative('status.desiredReplicas', next.status?.desiredReplicas, errors)
    return errors
  }
  const { minReplicas, maxReplicas, scaleTargetRef, metrics, behavior } = next.spec ?? ({} as types.HorizontalPodAutoscalerSpecV2)
  if (minReplicas !== undefined && minReplicas < 1)
    errors.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'))
  if (!maxReplicas) errors.push(required('spec.maxReplicas', 'must be set and greater than 0'))
  else if (maxReplicas < 1) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to 1'))
  if (minReplicas !== undefined && maxReplicas && maxReplicas < minReplicas)
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  checkReference(scaleTargetRef, 'spec.scaleTargetRef', errors)
  each(metrics, 'spec.metrics', (metric, at) => checkMetric(metric, at, errors))
  checkRules(behavior?.scaleUp, 'spec.behavior.scaleUp', errors)
  checkRules(behavior?.scaleDown, 'spec.behavior.scaleDown', errors)
  return errors
}

function checkReference(ref: types.CrossVersionObjectReferenceV2 | undefined, path: string, errors: Errors): void {
  for (const field of ['kind', 'name'] as const) {
    const value = ref?.[field]
    if (!value) errors.push(required(`${path}.${field}`))
    else checkMessages(`${path}.${field}`, value, pathSegment(value), errors)
  }
  const [group = ''] = (ref?.apiVersion ?? '').includes('/') ? ref!.apiVersion!.split('/') : []
  if (group) checkMessages(`${path}.apiVersion`, ref!.apiVersion, dnsSubdomain(group), errors)
}

function checkMetric(metric: types.MetricSpecV2, path: string, errors: Errors): void {
  if (!metric.type) return void errors.push(required(`${path}.type`, 'must specify a metric source type'))
  if (!TYPES.includes(metric.type)) return void errors.push(notSupported(`${path}.type`, metric.type, TYPES))
  const expected = (metric.type[0]!.toLowerCase() + metric.type.slice(1)) as (typeof MEMBERS)[number]
  const given = presentMembers(metric, MEMBERS)
  if (!given.includes(expected)) errors.push(required(`${path}.${expected}`, 'must populate information for the given metric source'))
  for (const other of given) {
    if (other === expected) continue
    errors.push(forbidden(`${path}.${other}`, `must populate the given metric source only`))
  }
  for (const member of given) {
    const at = `${path}.${member}`
    if ((member === 'resource' || member === 'containerResource') && !metric[member]!.name)
      errors.push(required(`${at}.name`, 'must specify a resource name'))
    if (member === 'containerResource' && !metric.containerResource!.container)
      errors.push(required(`${at}.container`, 'must specify a container'))
    if (member === 'object') checkReference(metric.object!.describedObject, `${at}.describedObject`, errors)
    if (member === 'object' || member === 'pods' || member === 'external') {
      const { name, selector } = metric[member]!.metric ?? {}
      if (!name) errors.push(required(`${at}.metric.name`))
      else checkMessages(`${at}.metric.name`, name, pathSegment(name), errors)
      errors.push(...validateLabelSelector(selector, `${at}.metric.selector`))
    }
    checkTarget(metric[member]!.target, member, `${at}.target`, errors)
  }
}

function checkTarget(target: types.MetricTargetV2 | undefined, member: (typeof MEMBERS)[number], path: string, errors: Errors): void {
  const { type, averageUtilization, averageValue, value } = target ?? ({} as Partial<types.MetricTargetV2>)
  if (!type) errors.push(required(`${path}.type`, 'must specify a metric target type'))
  else if (!['Utilization', 'Value', 'AverageValue'].includes(type))
    errors.push(invalid(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue'))
  for (const [field, amount] of [
    ['value', value],
    ['averageValue', averageValue],
  ] as const)
    if (amount !== undefined && checkQuantity(`${path}.${field}`, amount, errors) && quantityOf(amount).sign <= 0)
      errors.push(invalid(`${path}.${field}`, amount, 'must be positive'))
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(invalid(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'))
  if (member === 'pods' && averageValue === undefined)
    errors.push(required(`${path}.averageValue`, 'must specify a positive target averageValue'))
  if (member === 'object' && value === undefined && averageValue === undefined)
    errors.push(required(`${path}.averageValue`, 'must set either a target value or averageValue'))
  if (member === 'external') {
    if (value === undefined && averageValue === undefined)
      errors.push(required(`${path}.averageValue`, 'must set either a target value for metric or a per-pod target'))
    if (value !== undefined && averageValue !== undefined)
      errors.push(forbidden(`${path}.value`, 'may not set both a target value for metric and a per-pod target'))
  }
  if (member !== 'resource' && member !== 'containerResource') return
  if (averageUtilization === undefined && averageValue === undefined)
    errors.push(required(`${path}.averageUtilization`, 'must set either a target raw value or a target utilization'))
  if (averageUtilization !== undefined && averageValue !== undefined)
    errors.push(forbidden(`${path}.averageValue`, 'may not set both a target raw value and a target utilization'))
}

function checkRules(rules: types.HPAScalingRulesV2 | undefined, path: string, errors: Errors): void {
  if (!rules) return
  const { stabilizationWindowSeconds: window, selectPolicy, policies, tolerance } = rules
  if (window !== undefined && window < 0)
    errors.push(invalid(`${path}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero'))
  if (window !== undefined && window > 3600)
    errors.push(invalid(`${path}.stabilizationWindowSeconds`, window, 'must be less than or equal to 3600'))
  if (selectPolicy !== undefined) checkOneOf(`${path}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min'], errors)
  if (policies !== undefined && policies.length === 0) errors.push(required(`${path}.policies`, 'must specify at least one Policy'))
  each(policies, `${path}.policies`, ({ type, value, periodSeconds }, at) => {
    checkOneOf(`${at}.type`, type ?? '', ['Percent', 'Pods'], errors)
    if ((value ?? 0) <= 0) errors.push(invalid(`${at}.value`, value ?? 0, 'must be greater than zero'))
    if ((periodSeconds ?? 0) <= 0) errors.push(invalid(`${at}.periodSeconds`, periodSeconds ?? 0, 'must be greater than zero'))
    if (periodSeconds > 1800) errors.push(invalid(`${at}.periodSeconds`, periodSeconds, 'must be less than or equal to 1800'))
  })
  if (tolerance !== undefined && checkQuantity(`${path}.tolerance`, tolerance, errors) && quantityOf(tolerance).sign < 0)
    errors.push(invalid(`${path}.tolerance`, tolerance, 'must be greater or equal to zero'))
}
