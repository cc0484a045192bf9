// Rules of API priority and fairness: flow schemas and priority levels.
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { CATCH_ALL_LEVEL, CATCH_ALL_SCHEMA, EXEMPT_SCHEMA } from './mandatory.ts'

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch']
const SUBJECT_KINDS = ['Group', 'ServiceAccount', 'User']
const FIXED: Record<string, types.FlowSchemaSpec> = { exempt: EXEMPT_SCHEMA, 'catch-all': CATCH_ALL_SCHEMA }
/** Bits of a hash that hands of queues are dealt by. */
const MOST_BITS = 60

type Context = { subresource?: string }

export function validateFlowSchema(
  { spec, metadata, status }: types.FlowSchema,
  _previous: unknown,
  { subresource }: Context,
): FieldError[] {
  const errors: Errors = []
  if (subresource !== 'status') checkSchema(spec ?? ({} as types.FlowSchemaSpec), metadata?.name ?? '', errors)
  checkConditions(status?.conditions, errors)
  return errors
}

function checkSchema(spec: types.FlowSchemaSpec, name: string, errors: Errors): void {
  const { matchingPrecedence: precedence = 0, distinguisherMethod, priorityLevelConfiguration, rules } = spec
  const at = 'spec.matchingPrecedence'
  if (precedence <= 0) errors.push(invalid(at, precedence, 'must be a positive value'))
  if (precedence > 10000) errors.push(invalid(at, precedence, 'must not be greater than 10000'))
  if (precedence === 1 && name !== 'exempt')
    errors.push(invalid(at, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"))
  const { type = '' } = distinguisherMethod ?? {}
  if (distinguisherMethod && type !== 'ByUser' && type !== 'ByNamespace')
    errors.push(notSupported('spec.distinguisherMethod.type', { Type: type }, ['ByNamespace', 'ByUser']))
  const level = priorityLevelConfiguration?.name
  if (level) checkMessages('spec.priorityLevelConfiguration.name', level, dnsSubdomain(level), errors)
  else errors.push(required('spec.priorityLevelConfiguration.name', 'must reference a priority level'))
  each(rules, 'spec.rules', ({ subjects, resourceRules, nonResourceRules }, where) => {
    each(subjects, `${where}.subjects`, (subject, place) => checkSubject(subject, place, errors))
    if (!subjects?.length) errors.push(required(`${where}.subjects`, 'subjects must contain at least one value'))
    if (!resourceRules?.length && !nonResourceRules?.length)
      errors.push(required(where, 'at least one of resourceRules and nonResourceRules has to be non-empty'))
    each(resourceRules, `${where}.resourceRules`, (rule, place) => checkResourceRule(rule, place, errors))
    each(nonResourceRules, `${where}.nonResourceRules`, (rule, place) => checkNonResourceRule(rule, place, errors))
  })
  if (Object.hasOwn(FIXED, name) && !sameJson(spec, FIXED[name]))
    errors.push(invalid('spec', spec, `spec of '${name}' must equal the fixed value`))
}

function checkSubject({ kind = '', user, group, serviceAccount }: types.FlowcontrolSubject, path: string, errors: Errors): void {
  if (!SUBJECT_KINDS.includes(kind)) return void errors.push(notSupported(`${path}.kind`, kind, SUBJECT_KINDS))
  const members = { serviceAccount, user, group }
  const own = (kind[0]!.toLowerCase() + kind.slice(1)) as keyof typeof members
  const at = `${path}.${own}`
  const subject = members[own]
  if (!subject) errors.push(required(at, `${own} is required when subject kind is '${kind}'`))
  else if (!subject.name) errors.push(required(`${at}.name`))
  if (own === 'serviceAccount' && serviceAccount) {
    const { name, namespace } = serviceAccount
    if (name && name !== '*') checkMessages(`${at}.name`, name, dnsSubdomain(name), errors)
    if (namespace) checkMessages(`${at}.namespace`, namespace, dnsLabel(namespace), errors)
    else errors.push(required(`${at}.namespace`, 'must specify namespace for service account'))
  }
  for (const [other, value] of Object.entries(members))
    if (other !== own && value)
      errors.push(
        forbidden(`${path}.${other}`, `${other} is forbidden when subject kind is not '${other[0]!.toUpperCase()}${other.slice(1)}'`),
      )
}

/** Tells whether the list is more than a wildcard: its items are looked at then. */
function checkWildcard(
  values: string[] | null | undefined,
  path: string,
  { missing, others }: Record<'missing' | 'others', string>,
  errors: Errors,
): boolean {
  if (!values?.length) errors.push(required(path, missing))
  else if (!values.includes('*')) return true
  else if (values.length > 1) errors.push(invalid(path, values, `if '*' is present, must not specify other ${others}`))
  return false
}

function checkVerbs(verbs: string[] | null | undefined, path: string, errors: Errors): void {
  const said = { missing: 'verbs must contain at least one value', others: 'verbs' }
  if (checkWildcard(verbs, path, said, errors) && verbs!.some((verb) => !VERBS.includes(verb)))
    errors.push(notSupported(path, verbs, VERBS))
}

function checkResourceRule(rule: types.ResourcePolicyRule, path: string, errors: Errors): void {
  checkVerbs(rule.verbs, `${path}.verbs`, errors)
  const groups = { missing: 'resource rules must supply at least one api group', others: 'api groups' }
  checkWildcard(rule.apiGroups, `${path}.apiGroups`, groups, errors)
  const resources = { missing: 'resource rules must supply at least one resource', others: 'resources' }
  checkWildcard(rule.resources, `${path}.resources`, resources, errors)
  const { namespaces } = rule
  if (!namespaces?.length && rule.clusterScope) return
  const missing = 'resource rules that are not cluster scoped must supply at least one namespace'
  if (checkWildcard(namespaces, `${path}.namespaces`, { missing, others: 'namespaces' }, errors))
    each(namespaces, `${path}.namespaces`, (namespace, at) => {
      for (const message of dnsLabel(namespace))
        errors.push(invalid(at, namespace, `each member of this list must be '*' or a DNS-1123 label; ${message}`))
    })
}

function checkNonResourceRule({ verbs, nonResourceURLs }: types.NonResourcePolicyRule, path: string, errors: Errors): void {
  checkVerbs(verbs, `${path}.verbs`, errors)
  const said = { missing: 'nonResourceURLs must contain at least one value', others: 'non-resource URLs' }
  if (!checkWildcard(nonResourceURLs, `${path}.nonResourceURLs`, said, errors)) return
  each(nonResourceURLs, `${path}.nonResourceURLs`, (url, at) => {
    const problem = urlProblem(url)
    if (problem) errors.push(invalid(at, url, problem))
  })
}

function urlProblem(url: string): string | undefined {
  if (url === '') return 'must not be empty'
  if (!url.startsWith('/')) return 'must start with slash'
  if (url.includes(' ')) return 'must not contain white-space'
  if (url.includes('//')) return 'must not contain double slash'
  return url.includes('*') && (url.indexOf('*') < url.length - 1 || !url.endsWith('/*'))
    ? 'wildcard can only do suffix matching'
    : undefined
}

function checkConditions(conditions: readonly { type?: string }[] | undefined, errors: Errors): void {
  const seen = new Set<string>()
  each(conditions, 'status.conditions', ({ type = '' }, at) => {
    if (seen.has(type)) errors.push(duplicate(`${at}.type`, type))
    seen.add(type)
    if (!type) errors.push(required(`${at}.type`, 'must not be empty'))
  })
}

export function validatePriorityLevel(
  { spec, metadata, status }: types.PriorityLevelConfiguration,
  _previous: unknown,
  { subresource }: Context,
): FieldError[] {
  const errors: Errors = []
  if (subresource !== 'status') checkLevel(spec ?? ({} as types.PriorityLevelConfigurationSpec), metadata?.name ?? '', errors)
  checkConditions(status?.conditions, errors)
  return errors
}

function checkLevel(spec: types.PriorityLevelConfigurationSpec, name: string, errors: Errors): void {
  const { type = '', limited, exempt } = spec
  if ((name === 'exempt') !== (type === 'Exempt'))
    errors.push(invalid('spec.type', type, "type must be 'Exempt' if and only if name is 'exempt'"))
  if (type === 'Exempt') {
    if (limited) errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'))
    if (exempt) checkShares(exempt, 'spec.exempt', errors)
  } else if (type === 'Limited') {
    if (exempt) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'))
    if (!limited) errors.push(required('spec.limited', 'must not be empty when type is Limited'))
    else checkLimited(limited, errors)
  } else errors.push(notSupported('spec.type', type, ['Exempt', 'Limited']))
  // Shares of the exempt are anybody's to choose.
  if (name === 'catch-all' && !sameJson(spec, CATCH_ALL_LEVEL))
    errors.push(invalid('spec', spec, `spec of '${name}' must equal the fixed value`))
}

type Shares = Pick<types.LimitedPriorityLevelConfiguration, 'nominalConcurrencyShares' | 'lendablePercent'>

function checkShares({ nominalConcurrencyShares: shares = 0, lendablePercent: percent = 0 }: Shares, path: string, errors: Errors): void {
  if (shares < 0) errors.push(invalid(`${path}.nominalConcurrencyShares`, shares, 'must be a non-negative integer'))
  if (percent < 0 || percent > 100) errors.push(invalid(`${path}.lendablePercent`, percent, 'must be between 0 and 100, inclusive'))
}

function checkLimited(limited: types.LimitedPriorityLevelConfiguration, errors: Errors): void {
  checkShares({ nominalConcurrencyShares: limited.nominalConcurrencyShares ?? 0 }, 'spec.limited', errors)
  checkResponse(limited.limitResponse, 'spec.limited.limitResponse', errors)
  checkShares({ lendablePercent: limited.lendablePercent ?? 0 }, 'spec.limited', errors)
  const { borrowingLimitPercent: borrowing = 0 } = limited
  if (borrowing < 0) errors.push(invalid('spec.limited.borrowingLimitPercent', borrowing, 'if specified, must be a non-negative integer'))
}

function checkResponse(response: types.LimitResponse | undefined, path: string, errors: Errors): void {
  const { type = '', queuing } = response ?? ({} as Partial<types.LimitResponse>)
  const at = `${path}.queuing`
  if (type === 'Reject') {
    if (queuing) errors.push(forbidden(at, 'must be nil if limited.limitResponse.type is not Limited'))
  } else if (type !== 'Queue') errors.push(notSupported(`${path}.type`, type, ['Queue', 'Reject']))
  else if (!queuing) errors.push(required(at, 'must not be empty if limited.limitResponse.type is Limited'))
  else checkQueuing(queuing, at, errors)
}

function checkQueuing({ queues = 0, handSize = 0, queueLengthLimit = 0 }: types.QueuingConfiguration, path: string, errors: Errors): void {
  if (queueLengthLimit <= 0) errors.push(invalid(`${path}.queueLengthLimit`, queueLengthLimit, 'must be positive'))
  if (queues <= 0) errors.push(invalid(`${path}.queues`, queues, 'must be positive'))
  else if (queues > 10_000_000) errors.push(invalid(`${path}.queues`, queues, 'must not be greater than 10000000'))
  const hand = (why: string) => errors.push(invalid(`${path}.handSize`, handSize, why))
  if (handSize <= 0) hand('must be positive')
  else if (handSize > queues) hand(`should not be greater than queues (${queues})`)
  else if (Math.ceil(Math.log2(queues) * handSize) > MOST_BITS)
    hand(`required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${MOST_BITS}`)
}
