// Where a pod may run: node selectors, affinity, tolerations, topology spread.
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type {
  Affinity,
  NodeSelector,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '#api/generated/types.ts'
import { validateLabels } from '#api/meta/object-meta.ts'
import { dnsSubdomain, labelValueMessages, qualifiedName } from '#api/names.ts'
import { checkMessages, checkOneOf, checkRange, each, type Errors } from './checks.ts'
import { validateLabelSelector } from './label-selector.ts'

const NODE_OPERATORS = ['DoesNotExist', 'Exists', 'Gt', 'In', 'Lt', 'NotIn']
const WEIGHT = [1, 100] as const

export function validateNodeSelector(selector: NodeSelector | undefined, path: string): FieldError[] {
  if (!selector) return []
  const errors: FieldError[] = []
  if (!selector.nodeSelectorTerms?.length) errors.push(required(`${path}.nodeSelectorTerms`, 'must have at least one node selector term'))
  each(selector.nodeSelectorTerms, `${path}.nodeSelectorTerms`, (term, at) => checkNodeTerm(term, at, errors))
  return errors
}

function checkNodeTerm({ matchExpressions, matchFields }: NodeSelectorTerm, path: string, errors: Errors): void {
  each(matchExpressions, `${path}.matchExpressions`, ({ key, operator, values = [] }, at) => {
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    } else if (operator === 'Gt' || operator === 'Lt') {
      if (values.length !== 1) errors.push(required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    } else errors.push(notSupported(`${at}.operator`, operator ?? '', NODE_OPERATORS))
    checkMessages(`${at}.key`, key ?? '', qualifiedName(key ?? ''), errors)
    each(values, `${at}.values`, (value, where) => checkMessages(where, value, labelValueMessages(value), errors))
  })
  each(matchFields, `${path}.matchFields`, ({ key, operator, values = [] }, at) => {
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length !== 1)
        errors.push(required(`${at}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
    } else errors.push(notSupported(`${at}.operator`, operator ?? '', ['In', 'NotIn']))
    if (key !== 'metadata.name') errors.push(notSupported(`${at}.key`, key ?? '', ['metadata.name']))
    else each(values, `${at}.values`, (value, where) => checkMessages(where, value, dnsSubdomain(value), errors))
  })
}

export function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {}
  if (nodeAffinity) {
    const at = `${path}.nodeAffinity`
    const hard = nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    errors.push(...validateNodeSelector(hard, `${at}.requiredDuringSchedulingIgnoredDuringExecution`))
    const soft = nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution
    each(soft, `${at}.preferredDuringSchedulingIgnoredDuringExecution`, ({ weight, preference }, where) => {
      checkRange(`${where}.weight`, weight ?? 0, WEIGHT, errors)
      checkNodeTerm(preference ?? {}, `${where}.preference`, errors)
    })
  }
  for (const [name, rules] of [
    ['podAffinity', podAffinity],
    ['podAntiAffinity', podAntiAffinity],
  ] as const) {
    const at = `${path}.${name}`
    const hard = rules?.requiredDuringSchedulingIgnoredDuringExecution
    each(hard, `${at}.requiredDuringSchedulingIgnoredDuringExecution`, (term, where) => checkPodTerm(term, where, errors))
    const soft = rules?.preferredDuringSchedulingIgnoredDuringExecution
    each(soft, `${at}.preferredDuringSchedulingIgnoredDuringExecution`, ({ weight, podAffinityTerm }, where) => {
      checkRange(`${where}.weight`, weight ?? 0, WEIGHT, errors)
      checkPodTerm(podAffinityTerm ?? { topologyKey: '' }, `${where}.podAffinityTerm`, errors)
    })
  }
  return errors
}

function checkPodTerm(term: PodAffinityTerm, path: string, errors: Errors): void {
  errors.push(...validateLabelSelector(term.labelSelector, `${path}.labelSelector`))
  errors.push(...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`))
  each(term.namespaces, `${path}.namespaces`, (name) => checkMessages(`${path}.namespace`, name, dnsSubdomain(name), errors))
  checkLabelKeys(term, path, errors)
  if (!term.topologyKey) errors.push(required(`${path}.topologyKey`, 'can not be empty'))
  else checkMessages(`${path}.topologyKey`, term.topologyKey, qualifiedName(term.topologyKey), errors)
}

type WithLabelKeys = Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>

function checkLabelKeys(term: WithLabelKeys, path: string, errors: Errors): void {
  for (const field of ['matchLabelKeys', 'mismatchLabelKeys'] as const) {
    if (term[field]?.length && !term.labelSelector)
      errors.push(forbidden(`${path}.${field}`, 'must not be specified when labelSelector is not set'))
    each(term[field], `${path}.${field}`, (key, at) => checkMessages(at, key, qualifiedName(key), errors))
  }
  each(term.matchLabelKeys, `${path}.matchLabelKeys`, (key, at) => {
    if (term.mismatchLabelKeys?.includes(key)) errors.push(invalid(at, key, 'exists in both matchLabelKeys and mismatchLabelKeys'))
  })
}

export function validateTolerations(tolerations: Toleration[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  each(tolerations, path, ({ key, operator, value, effect, tolerationSeconds }, at) => {
    if (key) checkMessages(`${at}.key`, key, qualifiedName(key), errors)
    else if (operator !== 'Exists')
      errors.push(
        invalid(
          `${at}.operator`,
          operator ?? '',
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      )
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      errors.push(invalid(`${at}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    if (!operator || operator === 'Equal') checkMessages(`${at}.operator`, value ?? '', labelValueMessages(value ?? ''), errors)
    else if (operator === 'Exists') {
      if (value) errors.push(invalid(`${at}.operator`, { key, operator, value, effect }, "value must be empty when `operator` is 'Exists'"))
    } else errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']))
    if (effect) checkOneOf(`${at}.effect`, effect, ['NoExecute', 'NoSchedule', 'PreferNoSchedule'], errors)
  })
  return errors
}

export function validateTopologySpread(constraints: TopologySpreadConstraint[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  each(constraints, path, (constraint, at) => {
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint
    if (!(maxSkew > 0)) errors.push(invalid(`${at}.maxSkew`, maxSkew ?? 0, 'must be greater than zero'))
    if (!topologyKey) errors.push(required(`${at}.topologyKey`, 'can not be empty'))
    else checkMessages(`${at}.topologyKey`, topologyKey, qualifiedName(topologyKey), errors)
    if (!['DoNotSchedule', 'ScheduleAnyway'].includes(whenUnsatisfiable))
      errors.push(notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable ?? '', ['DoNotSchedule', 'ScheduleAnyway']))
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`
    if (seen.has(pair)) errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair))
    seen.add(pair)
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.push(invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'))
      if (whenUnsatisfiable !== 'DoNotSchedule')
        errors.push(
          invalid(`${at}.minDomains`, minDomains, 'can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ' + whenUnsatisfiable),
        )
    }
    checkOneOf(`${at}.nodeAffinityPolicy`, constraint.nodeAffinityPolicy, ['Honor', 'Ignore'], errors)
    checkOneOf(`${at}.nodeTaintsPolicy`, constraint.nodeTaintsPolicy, ['Honor', 'Ignore'], errors)
    errors.push(...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`))
    checkLabelKeys(constraint, at, errors)
  })
  return errors
}

export function validateNodeLabels(selector: Record<string, string> | undefined, path: string): FieldError[] {
  return validateLabels(selector, path)
}
