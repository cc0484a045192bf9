// Rules of autoscalers: bounds, metrics and their targets, scaling behaviour.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain, pathSegment } from '#api/names.ts'
import { isQuantity, quantityOf } from '#api/quantity.ts'
import { checkMessages, checkNonNegative, checkOneOf, each, type Errors, presentMembers } from '#api/validation/checks.ts'
import { checkContainerResourceName, checkQuantity } from '#api/validation/resources.ts'

/** In the order upstream looks for them: the first that is there is read. */
const MEMBERS = ['object', 'external', 'pods', 'resource', 'containerResource'] as const
type Member = (typeof MEMBERS)[number]
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
  if (minReplicas !== undefined && (maxReplicas ?? 0) < minReplicas)
    errors.push(invalid('spec.maxReplicas', maxReplicas ?? 0, 'must be greater than or equal to `minReplicas`'))
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
  const { type = '' } = metric
  if (!type) errors.push(required(`${path}.type`, 'must specify a metric source type'))
  const known = TYPES.includes(type)
  if (!known) errors.push(notSupported(`${path}.type`, type, TYPES))
  const given = presentMembers(metric, MEMBERS)
  if (given[0]) checkSource(metric, given[0], { path: `${path}.${given[0]}`, errors })
  const expected = known ? type[0]!.toLowerCase() + type.slice(1) : ''
  if (!known) errors.push(notSupported(`${path}.type`, type, TYPES))
  else if (!given.includes(expected as Member))
    errors.push(required(`${path}.${expected}`, 'must populate information for the given metric source'))
  if (given.length === 1) return
  for (const other of given)
    if (other !== expected) errors.push(forbidden(`${path}.${other}`, 'must populate the given metric source only'))
}

function checkSource(metric: types.MetricSpecV2, member: Member, { path, errors }: { path: string; errors: Errors }): void {
  if (member === 'object') checkReference(metric.object!.describedObject, `${path}.describedObject`, errors)
  if (member === 'resource' || member === 'containerResource') {
    const { name } = metric[member]!
    if (!name) errors.push(required(`${path}.name`, 'must specify a resource name'))
    else if (member === 'containerResource') checkContainerResourceName(`${path}.name`, name, errors)
    if (member === 'containerResource') checkContainer(`${path}.container`, metric.containerResource!.container, errors)
  } else {
    const { name } = metric[member]!.metric ?? {}
    if (!name) errors.push(required(`${path}.metric.name`))
    else checkMessages(`${path}.metric.name`, name, pathSegment(name), errors)
  }
  const target = metric[member]!.target ?? ({} as Partial<types.MetricTargetV2>)
  const at = `${path}.target`
  checkTarget(target, at, errors)
  const { averageUtilization: utilization, averageValue, value } = target
  switch (member) {
    case 'object':
      if (value === undefined && averageValue === undefined)
        errors.push(required(`${at}.averageValue`, 'must set either a target value or averageValue'))
      break
    case 'external':
      if (value === undefined && averageValue === undefined)
        errors.push(required(`${at}.averageValue`, 'must set either a target value for metric or a per-pod target'))
      if (value !== undefined && averageValue !== undefined)
        errors.push(forbidden(`${at}.value`, 'may not set both a target value for metric and a per-pod target'))
      break
    case 'pods':
      if (!isPositive(averageValue)) errors.push(required(`${at}.averageValue`, 'must specify a positive target averageValue'))
      break
    default:
      if (utilization === undefined && averageValue === undefined)
        errors.push(required(`${at}.averageUtilization`, 'must set either a target raw value or a target utilization'))
      if (utilization !== undefined && averageValue !== undefined)
        errors.push(forbidden(`${at}.averageValue`, 'may not set both a target raw value and a target utilization'))
  }
}

function checkContainer(path: string, container: string | undefined, errors: Errors): void {
  if (!container) errors.push(required(path, 'must specify a container'))
  else checkMessages(path, container, dnsLabel(container), errors)
}

const isPositive = (amount: string | undefined) => amount !== undefined && isQuantity(amount) && quantityOf(amount).sign > 0

function checkTarget(target: Partial<types.MetricTargetV2>, path: string, errors: Errors): void {
  const { type = '', averageUtilization } = target
  if (!type) errors.push(required(`${path}.type`, 'must specify a metric target type'))
  if (!['Utilization', 'Value', 'AverageValue'].includes(type))
    errors.push(invalid(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue'))
  for (const field of ['value', 'averageValue'] as const) {
    const amount = target[field]
    if (amount !== undefined && checkQuantity(`${path}.${field}`, amount, errors) && !isPositive(amount))
      errors.push(invalid(`${path}.${field}`, amount, 'must be positive'))
  }
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(invalid(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'))
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
