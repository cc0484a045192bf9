// What webhooks and CEL policies have in common: which requests they are about, and conditions on them.
import { duplicate, forbidden, invalid, notSupported, required, tooMany } from '#api/field-error.ts'
import type { MatchCondition, MatchResources, ParamKind, ParamRef, RuleWithOperations } from '#api/generated/types.ts'
import { dnsSubdomain, pathSegment, qualifiedName } from '#api/names.ts'
import { checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { validateLabelSelector } from '#api/validation/label-selector.ts'

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']

export function checkRule(rule: RuleWithOperations, path: string, errors: Errors, operations: readonly string[] = OPERATIONS): void {
  const list = (field: 'apiGroups' | 'apiVersions') => {
    const values = rule[field] ?? []
    if (values.length === 0) errors.push(required(`${path}.${field}`))
    if (values.length > 1 && values.includes('*'))
      errors.push(
        invalid(
          `${path}.${field}`,
          values,
          "if '*' is present, must not specify other " + (field === 'apiGroups' ? 'API groups' : 'API versions'),
        ),
      )
    if (field === 'apiVersions') each(values, `${path}.${field}`, (value, at) => value || errors.push(required(at)))
  }
  list('apiGroups')
  list('apiVersions')
  checkResources(rule.resources ?? [], `${path}.resources`, errors)
  const given = rule.operations ?? []
  if (given.length === 0) errors.push(required(`${path}.operations`))
  if (given.length > 1 && given.includes('*'))
    errors.push(invalid(`${path}.operations`, given, "if '*' is present, must not specify other operations"))
  each(given, `${path}.operations`, (operation, at) => {
    if (!operations.includes(operation)) errors.push(notSupported(at, operation, operations.toSorted()))
  })
  if (rule.scope !== undefined) checkOneOf(`${path}.scope`, rule.scope, ['*', 'Cluster', 'Namespaced'], errors)
}

function checkResources(resources: readonly string[], path: string, errors: Errors): void {
  if (resources.length === 0) errors.push(required(path))
  const seen = new Set(resources)
  each(resources, path, (resource, at) => {
    if (resource === '') errors.push(required(at))
    const [parent, sub] = resource.split('/')
    if (sub !== undefined && parent !== '*' && sub !== '*' && (seen.has(`${parent}/*`) || seen.has(`*/${sub}`)))
      errors.push(
        invalid(at, resource, `if '${seen.has(`${parent}/*`) ? `${parent}/*` : `*/${sub}`}' is present, must not specify ${resource}`),
      )
  })
  if (seen.has('*/*') && seen.size > 1) errors.push(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
  if (seen.has('*') && resources.some((one) => one !== '*' && !one.includes('/')))
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
  if (match.matchPolicy !== undefined) checkOneOf(`${path}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact'], errors)
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (match[field]) errors.push(...validateLabelSelector(match[field], `${path}.${field}`))
    else errors.push(required(`${path}.${field}`, ''))
  }
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    each(match[field], `${path}.${field}`, (rule, at) => {
      checkRule(rule, at, errors, operations)
      const names = new Set<string>()
      each(rule.resourceNames, `${at}.resourceNames`, (name, where) => {
        checkMessages(where, name, pathSegment(name), errors)
        if (names.has(name)) errors.push(duplicate(where, name))
        names.add(name)
      })
    })
  if (options.rulesRequired && !match.resourceRules?.length) errors.push(required(`${path}.resourceRules`))
}

export function checkParamKind(kind: ParamKind | undefined, path: string, errors: Errors): void {
  if (!kind) return
  if (!kind.apiVersion) errors.push(required(`${path}.apiVersion`))
  else if (kind.apiVersion.split('/').length > 2)
    errors.push(invalid(`${path}.apiVersion`, kind.apiVersion, 'unexpected GroupVersion string: ' + kind.apiVersion))
  if (!kind.kind) errors.push(required(`${path}.kind`))
  else if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/i.test(kind.kind))
    errors.push(invalid(`${path}.kind`, kind.kind, 'may have mixed case, but should otherwise match: a DNS-1035 label'))
}

export function checkParamRef(ref: ParamRef | undefined, path: string, errors: Errors): void {
  if (!ref) return
  if (ref.name) {
    checkMessages(`${path}.name`, ref.name, pathSegment(ref.name), errors)
    if (ref.selector) errors.push(forbidden(`${path}.name`, 'name and selector are mutually exclusive'))
  }
  if (ref.selector) errors.push(...validateLabelSelector(ref.selector, `${path}.selector`))
  if (!ref.name && !ref.selector) errors.push(required(path, 'one of name or selector must be specified'))
  if (ref.parameterNotFoundAction) checkOneOf(`${path}.parameterNotFoundAction`, ref.parameterNotFoundAction, ['Allow', 'Deny'], errors)
  else errors.push(required(`${path}.parameterNotFoundAction`))
}

export function checkPolicyName(path: string, name: string | undefined, errors: Errors): void {
  if (!name) errors.push(required(path))
  else checkMessages(path, name, dnsSubdomain(name), errors)
}

export const paramKindText = (kind: ParamKind | undefined) => (kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : '<unset>')

export function paramRefText(ref: ParamRef | undefined): string {
  if (!ref) return '<unset>'
  if (ref.name) return ref.namespace ? `${ref.namespace}/${ref.name}` : `*/${ref.name}`
  return ref.selector
    ? Object.entries(ref.selector.matchLabels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(',')
    : '<unset>'
}

/** Reserved for configurations read from files. */
export function staticNameWarnings(name: string | undefined): string[] {
  return name?.endsWith('.static.k8s.io')
    ? ['metadata.name: names ending in ".static.k8s.io" are reserved for manifest-based admission configuration']
    : []
}
