// What webhooks and CEL policies have in common: which requests they are about, and conditions on them.
import { duplicate, forbidden, invalid, notSupported, required, tooMany } from '#api/field-error.ts'
import type { LabelSelector, MatchCondition, MatchResources, ParamKind, ParamRef, RuleWithOperations } from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dns1035Label, dnsSubdomain, pathSegment, qualifiedName } from '#api/names.ts'
import type { KubeObject } from '#api/object.ts'
import { checkAmong, checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { validateLabelSelector } from '#api/validation/label-selector.ts'
import { byKey } from '#lib/order.ts'

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']

export function checkRule(rule: RuleWithOperations, path: string, errors: Errors, operations: readonly string[] = OPERATIONS): void {
  checkWildcard(rule.operations, `${path}.operations`, 'operations', errors)
  each(rule.operations, `${path}.operations`, (operation, at) => {
    if (!operations.includes(operation)) errors.push(notSupported(at, operation, operations.toSorted()))
  })
  checkWildcard(rule.apiGroups, `${path}.apiGroups`, 'API groups', errors)
  checkWildcard(rule.apiVersions, `${path}.apiVersions`, 'API versions', errors)
  each(rule.apiVersions, `${path}.apiVersions`, (version, at) => {
    if (!version) errors.push(required(at))
  })
  checkResources(rule.resources ?? [], `${path}.resources`, errors)
  if (rule.scope !== undefined) checkOneOf(`${path}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced'], errors)
}

function checkWildcard(values: string[] | undefined, path: string, others: string, errors: Errors): void {
  if (!values?.length) errors.push(required(path))
  else if (values.length > 1 && values.includes('*'))
    errors.push(invalid(path, values, `if '*' is present, must not specify other ${others}`))
}

/** What came before counts, and of resources without subresources the last: upstream takes what is said the other way round. */
function checkResources(resources: readonly string[], path: string, errors: Errors): void {
  if (resources.length === 0) errors.push(required(path))
  const [parents, subs] = [new Set<string>(), new Set<string>()]
  let plain = false
  each(resources, path, (resource, at) => {
    if (resource === '') return void errors.push(required(at))
    const slash = resource.indexOf('/')
    if (slash < 0) return void (plain = resource !== '*')
    const [parent, sub] = [resource.slice(0, slash), resource.slice(slash + 1)]
    if (parents.has(parent)) errors.push(invalid(at, resource, `if '${parent}/*' is present, must not specify ${resource}`))
    if (subs.has(sub)) errors.push(invalid(at, resource, `if '*/${sub}' is present, must not specify ${resource}`))
    if (sub === '*') parents.add(parent)
    if (parent === '*') subs.add(sub)
  })
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
  if (plain && resources.includes('*'))
    errors.push(invalid(path, resources, "if '*' is present, must not specify other resources without subresources"))
}

export function checkMatchConditions(conditions: MatchCondition[] | undefined, path: string, errors: Errors): void {
  if ((conditions?.length ?? 0) > 64) errors.push(tooMany(path, conditions!.length, 64))
  const names = new Set<string>()
  each(conditions, path, ({ name, expression }, at) => {
    if (!expression?.trim()) errors.push(required(`${at}.expression`))
    if (!name) errors.push(required(`${at}.name`))
    else {
      checkMessages(`${at}.name`, name, qualifiedName(name), errors)
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name))
    }
    names.add(name)
  })
}

export function defaultMatchResources(match: MatchResources | undefined): void {
  if (!match) return
  match.matchPolicy ??= 'Equivalent'
  match.namespaceSelector ??= {}
  match.objectSelector ??= {}
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) rule.scope ??= '*'
}

interface MatchOptions {
  rulesRequired?: boolean
  operations?: readonly string[]
}

export function checkMatchResources(match: MatchResources | undefined, path: string, errors: Errors, options: MatchOptions = {}): void {
  if (!match) return
  const { operations = OPERATIONS } = options
  if (match.matchPolicy === undefined) errors.push(required(`${path}.matchPolicy`))
  else checkOneOf(`${path}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact'], errors)
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (match[field]) errors.push(...validateLabelSelector(match[field], `${path}.${field}`))
    else errors.push(required(`${path}.${field}`, ''))
  }
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    each(match[field], `${path}.${field}`, (rule, at) => {
      const names = new Set<string>()
      each(rule.resourceNames, `${at}.resourceNames`, (name, where) => {
        checkMessages(where, name, pathSegment(name), errors)
        if (names.has(name)) errors.push(duplicate(where, name))
        names.add(name)
      })
      checkRule(rule, at, errors, operations)
    })
  if (options.rulesRequired && !match.resourceRules?.length) errors.push(required(`${path}.resourceRules`))
}

export function checkParamKind(paramKind: ParamKind | undefined, path: string, errors: Errors): void {
  if (!paramKind) return
  const { apiVersion = '', kind = '' } = paramKind
  const at = `${path}.apiVersion`
  const joined = (where: string, value: string, messages: string[], before = '') => {
    if (messages.length > 0) errors.push(invalid(where, value, before + messages.join(',')))
  }
  const parts = apiVersion.split('/')
  if (!apiVersion) errors.push(required(at))
  else if (parts.length > 2) errors.push(invalid(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`))
  else {
    const [group, version] = parts.length === 1 ? ['', apiVersion] : (parts as [string, string])
    if (group) joined(at, group, dnsSubdomain(group))
    if (!version) errors.push(invalid(at, apiVersion, 'version must be specified'))
    else joined(at, version, dns1035Label(version))
  }
  if (!kind) errors.push(required(`${path}.kind`))
  else joined(`${path}.kind`, kind, dns1035Label(kind.toLowerCase()), 'may have mixed case, but should otherwise match: ')
}

export function checkParamRef(ref: ParamRef | undefined, path: string, errors: Errors): void {
  if (!ref) return
  const { name, selector, parameterNotFoundAction: action } = ref
  const exclusive = 'name and selector are mutually exclusive'
  if (name) {
    checkMessages(`${path}.name`, name, pathSegment(name), errors)
    if (selector) errors.push(forbidden(`${path}.name`, exclusive))
  }
  if (selector) {
    errors.push(...validateLabelSelector(selector, `${path}.selector`))
    if (name) errors.push(forbidden(`${path}.selector`, exclusive))
  }
  if (!name && !selector) errors.push(required(path, 'one of name or selector must be specified'))
  checkAmong(`${path}.parameterNotFoundAction`, action, ['Deny', 'Allow'], errors)
}

export function checkPolicyName(path: string, name: string | undefined, errors: Errors): void {
  if (!name) errors.push(required(path))
  else checkMessages(path, name, dnsSubdomain(name), errors)
}

export const paramKindText = (kind: ParamKind | undefined) => (kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : '<unset>')

function paramRefText(ref: ParamRef | undefined): string {
  if (!ref) return '<unset>'
  if (ref.name) return ref.namespace ? `${ref.namespace}/${ref.name}` : `*/${ref.name}`
  return ref.selector ? selectorText(ref.selector) : '<unset>'
}

/** As Go prints the structure. */
function selectorText({ matchLabels, matchExpressions }: LabelSelector): string {
  const labels = Object.entries(matchLabels ?? {})
    .toSorted(byKey)
    .map(([key, value]) => `${key}: ${value},`)
  const expressions = (matchExpressions ?? []).map(
    ({ key, operator, values }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${(values ?? []).join(' ')}],},`,
  )
  const parts = [
    `MatchLabels:map[string]string{${labels.join('')}}`,
    `MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}}`,
  ]
  return `&LabelSelector{${parts.join(',')},}`
}

/** Reserved for configurations read from files. */
export function staticNameWarnings(name: string | undefined): string[] {
  return name?.endsWith('.static.k8s.io')
    ? ['metadata.name: names ending in ".static.k8s.io" are reserved for manifest-based admission configuration']
    : []
}

/** Of the bindings of both kinds of policies. */
export const bindingColumns = columnsOf<KubeObject & { spec?: { policyName?: string; paramRef?: ParamRef } }>(
  { name: 'PolicyName', description: 'The policy it puts in force.', value: ({ spec }) => spec?.policyName ?? '' },
  { name: 'ParamRef', description: 'Parameters given to the policy.', value: ({ spec }) => paramRefText(spec?.paramRef) },
)
