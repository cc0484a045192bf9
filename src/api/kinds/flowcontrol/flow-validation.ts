// Rules of API priority and fairness: flow schemas and priority levels.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dnsSubdomain } from '#api/names.ts'
import { checkName, checkNonNegative, checkOneOf, checkRange, each, type Errors } from '#api/validation/checks.ts'

const VERBS = ['*', 'create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch']

export function validateFlowSchema(
  { spec, metadata }: types.FlowSchema,
  _previous: unknown,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') return errors
  const { matchingPrecedence = 0, distinguisherMethod, priorityLevelConfiguration, rules } = spec ?? ({} as types.FlowSchemaSpec)
  if (matchingPrecedence <= 0 || matchingPrecedence > 10000)
    errors.push(
      invalid(
        'spec.matchingPrecedence',
        matchingPrecedence,
        matchingPrecedence <= 0 ? 'must be a positive value' : 'must not be greater than 10000',
      ),
    )
  if (matchingPrecedence === 1 && metadata?.name !== 'exempt')
    errors.push(invalid('spec.matchingPrecedence', matchingPrecedence, "only the schema named 'exempt' may have matchingPrecedence 1"))
  if (distinguisherMethod && !['ByUser', 'ByNamespace'].includes(distinguisherMethod.type))
    errors.push(notSupported('spec.distinguisherMethod', distinguisherMethod.type ?? '', ['ByNamespace', 'ByUser']))
  checkName('spec.priorityLevelConfiguration.name', priorityLevelConfiguration?.name, dnsSubdomain, errors)
  each(rules, 'spec.rules', ({ subjects, resourceRules, nonResourceRules }, at) => {
    if (!subjects?.length) errors.push(required(`${at}.subjects`, 'subjects must contain at least one value'))
    each(subjects, `${at}.subjects`, (subject, where) => checkSubject(subject, where, errors))
    if (!resourceRules?.length && !nonResourceRules?.length)
      errors.push(required(at, 'at least one of resourceRules and nonResourceRules has to be non-empty'))
    each(resourceRules, `${at}.resourceRules`, (rule, where) => checkResourceRule(rule, where, errors))
    each(nonResourceRules, `${at}.nonResourceRules`, ({ verbs, nonResourceURLs }, where) => {
      checkVerbs(verbs, `${where}.verbs`, errors)
      if (!nonResourceURLs?.length) errors.push(required(`${where}.nonResourceURLs`, 'nonResourceURLs must contain at least one value'))
      else if (nonResourceURLs.length > 1 && nonResourceURLs.includes('*'))
        errors.push(invalid(`${where}.nonResourceURLs`, nonResourceURLs, "if '*' is present, must not specify other non-resource URLs"))
    })
  })
  return errors
}

function checkSubject({ kind, user, group, serviceAccount }: types.FlowcontrolSubject, path: string, errors: Errors): void {
  const named = { User: user?.name, Group: group?.name, ServiceAccount: serviceAccount?.name } as const
  if (!Object.hasOwn(named, kind ?? ''))
    return void errors.push(notSupported(`${path}.kind`, kind ?? '', ['Group', 'ServiceAccount', 'User']))
  const member = kind[0]!.toLowerCase() + kind.slice(1)
  const members = { user, group, serviceAccount }
  if (!members[member as keyof typeof members])
    errors.push(required(`${path}.${member}`, `${member} is required when subject kind is '${kind}'`))
  else if (!named[kind as keyof typeof named]) errors.push(required(`${path}.${member}.name`))
  if (kind === 'ServiceAccount' && serviceAccount && !serviceAccount.namespace)
    errors.push(required(`${path}.serviceAccount.namespace`, 'must specify namespace for service account'))
  for (const [other, value] of Object.entries(members))
    if (other !== member && value)
      errors.push(
        forbidden(`${path}.${other}`, `${other} is forbidden when subject kind is not '${other[0]!.toUpperCase()}${other.slice(1)}'`),
      )
}

function checkResourceRule(
  { verbs, apiGroups, resources, namespaces, clusterScope }: types.ResourcePolicyRule,
  path: string,
  errors: Errors,
): void {
  checkVerbs(verbs, `${path}.verbs`, errors)
  if (!apiGroups?.length) errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'))
  if (!resources?.length) errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'))
  if (!namespaces?.length && !clusterScope)
    errors.push(required(`${path}.namespaces`, 'resource rules that are not cluster scoped must supply at least one namespace'))
  if ((namespaces?.length ?? 0) > 1 && namespaces!.includes('*'))
    errors.push(invalid(`${path}.namespaces`, namespaces, "if '*' is present, must not specify other namespaces"))
}

function checkVerbs(verbs: string[] | undefined, path: string, errors: Errors): void {
  if (!verbs?.length) return void errors.push(required(path, 'verbs must contain at least one value'))
  if (verbs.length > 1 && verbs.includes('*')) errors.push(invalid(path, verbs, "if '*' is present, must not specify other verbs"))
  const unknown = verbs.filter((verb) => !VERBS.includes(verb))
  if (unknown.length > 0) errors.push(notSupported(path, unknown, VERBS))
}

export function validatePriorityLevel(
  { spec, metadata }: types.PriorityLevelConfiguration,
  _previous: unknown,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') return errors
  const { type, limited, exempt } = spec ?? ({} as types.PriorityLevelConfigurationSpec)
  if ((metadata?.name === 'exempt') !== (type === 'Exempt') && (type === 'Exempt' || type === 'Limited'))
    errors.push(invalid('spec.type', type, "type must be 'Exempt' if and only if name is 'exempt'"))
  if (type === 'Exempt') {
    if (limited) errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'))
    checkShares(exempt, 'spec.exempt', errors)
  } else if (type === 'Limited') {
    if (exempt) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'))
    if (!limited) errors.push(required('spec.limited', 'must not be empty when type is Limited'))
    else checkLimited(limited, errors)
  } else errors.push(notSupported('spec.type', type ?? '', ['Exempt', 'Limited']))
  return errors
}

function checkShares(shares: types.ExemptPriorityLevelConfiguration | undefined, path: string, errors: Errors): void {
  if (!shares) return
  checkNonNegative(`${path}.nominalConcurrencyShares`, shares.nominalConcurrencyShares, errors)
  checkRange(`${path}.lendablePercent`, shares.lendablePercent, [0, 100], errors)
}

function checkLimited(limited: types.LimitedPriorityLevelConfiguration, errors: Errors): void {
  checkShares(limited, 'spec.limited', errors)
  checkNonNegative('spec.limited.borrowingLimitPercent', limited.borrowingLimitPercent, errors)
  const at = 'spec.limited.limitResponse'
  const { type, queuing } = limited.limitResponse ?? {}
  checkOneOf(`${at}.type`, type ?? '', ['Queue', 'Reject'], errors)
  if (type === 'Reject' && queuing) errors.push(forbidden(`${at}.queuing`, 'must be nil if limited.limitResponse.type is not Queue'))
  if (type !== 'Queue') return
  if (!queuing) return void errors.push(required(`${at}.queuing`, 'must not be empty if limited.limitResponse.type is Queue'))
  const { queues = 0, handSize = 0, queueLengthLimit = 0 } = queuing
  if (queueLengthLimit <= 0) errors.push(invalid(`${at}.queuing.queueLengthLimit`, queueLengthLimit, 'must be positive'))
  if (queues <= 0) errors.push(invalid(`${at}.queuing.queues`, queues, 'must be positive'))
  else if (queues > 10_000_000) errors.push(invalid(`${at}.queuing.queues`, queues, 'must not be greater than 10000000'))
  if (handSize <= 0) errors.push(invalid(`${at}.queuing.handSize`, handSize, 'must be positive'))
  else if (handSize > queues) errors.push(invalid(`${at}.queuing.handSize`, handSize, `should not be greater than queues (${queues})`))
}
