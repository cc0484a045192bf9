// Where a pod may run: node selectors, affinity, tolerations, topology spread.
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type {
  Affinity,
  NodeAffinity,
  NodeSelector,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '#api/generated/types.ts'
import { validateLabels } from '#api/meta/object-meta.ts'
import { dnsLabel, dnsSubdomain, labelValueMessages, qualifiedName } from '#api/names.ts'
import { checkMessages, checkOneOf, each, type Errors } from './checks.ts'
import { validateLabelSelector } from './label-selector.ts'

export function validateNodeSelector(selector: NodeSelector | undefined, path: string): FieldError[] {
  if (!selector) return []
  const errors: FieldError[] = []
  const at = `${path}.nodeSelectorTerms`
  if (!selector.nodeSelectorTerms?.length) return [required(at, 'must have at least one node selector term')]
  each(selector.nodeSelectorTerms, at, (term, where) => checkNodeTerm(term, where, errors))
  return errors
}

/** A preference may name values no label can have: the only node there is need not match. */
function checkNodeTerm({ matchExpressions, matchFields }: NodeSelectorTerm, path: string, errors: Errors, valuesToo = true): void {
  const unknown = (at: string, operator: string | undefined) =>
    errors.push(invalid(`${at}.operator`, operator ?? '', 'not a valid selector operator'))
  each(matchExpressions, `${path}.matchExpressions`, ({ key, operator, values = [] }, at) => {
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    } else if (operator === 'Gt' || operator === 'Lt') {
      if (values.length !== 1) errors.push(required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    } else unknown(at, operator)
    checkMessages(`${at}.key`, key ?? '', qualifiedName(key ?? ''), errors)
    if (valuesToo) each(values, `${at}.values`, (value, where) => checkMessages(where, value, labelValueMessages(value), errors))
  })
  each(matchFields, `${path}.matchFields`, ({ key, operator, values = [] }, at) => {
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length !== 1)
        errors.push(required(`${at}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
    } else unknown(at, operator)
    if (key !== 'metadata.name') errors.push(invalid(`${at}.key`, key ?? '', 'not a valid field selector key'))
    else each(values, `${at}.values`, (value, where) => checkMessages(where, value, dnsSubdomain(value), errors))
  })
}

function checkWeight(weight = 0, path: string, errors: Errors): void {
  if (weight <= 0 || weight > 100) errors.push(invalid(`${path}.weight`, weight, 'must be in the range 1-100'))
}

export function validateNodeAffinity(affinity: NodeAffinity, path: string): FieldError[] {
  const { requiredDuringSchedulingIgnoredDuringExecution: hard, preferredDuringSchedulingIgnoredDuringExecution: soft } = affinity
  const errors = validateNodeSelector(hard, `${path}.requiredDuringSchedulingIgnoredDuringExecution`)
  each(soft, `${path}.preferredDuringSchedulingIgnoredDuringExecution`, ({ weight, preference }, where) => {
    checkWeight(weight, where, errors)
    checkNodeTerm(preference ?? {}, `${where}.preference`, errors, false)
  })
  return errors
}

export function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {}
  const errors = nodeAffinity ? validateNodeAffinity(nodeAffinity, `${path}.nodeAffinity`) : []
  for (const [name, rules] of [
    ['podAffinity', podAffinity],
    ['podAntiAffinity', podAntiAffinity],
  ] as const) {
    const at = `${path}.${name}`
    const hard = rules?.requiredDuringSchedulingIgnoredDuringExecution
    each(hard, `${at}.requiredDuringSchedulingIgnoredDuringExecution`, (term, where) => checkPodTerm(term, where, errors))
    const soft = rules?.preferredDuringSchedulingIgnoredDuringExecution
    each(soft, `${at}.preferredDuringSchedulingIgnoredDuringExecution`, ({ weight, podAffinityTerm }, where) => {
      checkWeight(weight, where, errors)
      checkPodTerm(podAffinityTerm ?? { topologyKey: '' }, `${where}.podAffinityTerm`, errors)
    })
  }
  return errors
}

function checkPodTerm(term: PodAffinityTerm, path: string, errors: Errors): void {
  errors.push(...validateLabelSelector(term.labelSelector, `${path}.labelSelector`))
  errors.push(...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`))
  for (const name of term.namespaces ?? []) checkMessages(`${path}.namespace`, name, dnsLabel(name), errors)
  checkLabelKeys(term, path, errors)
  const { topologyKey = '' } = term
  if (!topologyKey) errors.push(required(`${path}.topologyKey`, 'can not be empty'))
  checkMessages(`${path}.topologyKey`, topologyKey, qualifiedName(topologyKey), errors)
}

type WithLabelKeys = Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>

function checkLabelKeys({ labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] }: WithLabelKeys, path: string, errors: Errors): void {
  for (const [field, keys] of [
    ['matchLabelKeys', matchLabelKeys],
    ['mismatchLabelKeys', mismatchLabelKeys],
  ] as const) {
    if (keys.length === 0) continue
    if (!labelSelector) errors.push(forbidden(`${path}.${field}`, 'must not be specified when labelSelector is not set'))
    else each(keys, `${path}.${field}`, (key, at) => checkMessages(at, key, qualifiedName(key), errors))
  }
  // By now the keys have become expressions of the selector: one more under the same key is the user's own.
  const selected = new Set(Object.keys(labelSelector?.matchLabels ?? {}))
  for (const { key } of labelSelector?.matchExpressions ?? []) {
    if (matchLabelKeys.includes(key) && selected.has(key))
      errors.push(invalid(`${path}[${matchLabelKeys.lastIndexOf(key)}]`, key, 'exists in both matchLabelKeys and labelSelector'))
    selected.add(key)
  }
  each(matchLabelKeys, `${path}.matchLabelKeys`, (key, at) => {
    if (mismatchLabelKeys.includes(key)) errors.push(invalid(at, key, 'exists in both matchLabelKeys and mismatchLabelKeys'))
  })
}

const OPERATORS = ['Equal', 'Exists']

export function validateTolerations(tolerations: Toleration[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  each(tolerations, path, ({ key, operator = '', value = '', effect, tolerationSeconds }, at) => {
    const where = `${at}.operator`
    if (key) checkMessages(`${at}.key`, key, qualifiedName(key), errors)
    else if (operator !== 'Exists')
      errors.push(invalid(where, operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'))
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      errors.push(invalid(`${at}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    if (operator === '' || operator === 'Equal') {
      const messages = labelValueMessages(value)
      if (messages.length > 0) errors.push(invalid(where, value, messages.join(';')))
    } else if (operator === 'Exists') {
      if (value) errors.push(invalid(where, value, "value must be empty when `operator` is 'Exists'"))
    } else errors.push(notSupported(where, operator, operator === 'Lt' || operator === 'Gt' ? [...OPERATORS, 'Lt', 'Gt'] : OPERATORS))
    if (effect && !TAINT_EFFECTS.includes(effect)) errors.push(notSupported(`${at}.effect`, effect, TAINT_EFFECTS))
  })
  return errors
}

/** As upstream lists them. */
export const TAINT_EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export function validateTopologySpread(constraints: TopologySpreadConstraint[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  each(constraints, path, (constraint, at, index) => {
    const { maxSkew = 0, topologyKey = '', whenUnsatisfiable = '', minDomains, matchLabelKeys, labelSelector } = constraint
    if (maxSkew <= 0) errors.push(invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero'))
    if (!topologyKey) errors.push(required(`${at}.topologyKey`, 'can not be empty'))
    checkOneOf(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway'], errors)
    // The one before its repetition is named.
    const again = constraints!
      .slice(index + 1)
      .some((one) => one.topologyKey === topologyKey && one.whenUnsatisfiable === whenUnsatisfiable)
    if (again) errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${whenUnsatisfiable}}`))
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.push(invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'))
      if (whenUnsatisfiable !== 'DoNotSchedule')
        errors.push(
          invalid(`${at}.minDomains`, minDomains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`),
        )
    }
    checkOneOf(`${at}.nodeAffinityPolicy`, constraint.nodeAffinityPolicy, ['Honor', 'Ignore'], errors)
    checkOneOf(`${at}.nodeTaintsPolicy`, constraint.nodeTaintsPolicy, ['Honor', 'Ignore'], errors)
    checkLabelKeys({ ...(labelSelector ? { labelSelector } : {}), ...(matchLabelKeys ? { matchLabelKeys } : {}) }, at, errors)
    errors.push(...validateLabelSelector(labelSelector, `${at}.labelSelector`))
  })
  return errors
}

export function validateNodeLabels(selector: Record<string, string> | undefined, path: string): FieldError[] {
  return validateLabels(selector, path)
}
