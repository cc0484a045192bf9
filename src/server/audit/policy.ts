// The audit policy (audit.k8s.io/v1 Policy): how much is recorded of which request. The first rule that matches decides; no rule, no record.
import { isObject } from '#api/clone.ts'
import { parseYaml } from '#api/codec/yaml.ts'
import { ConfigurationError } from '#api/configuration-file.ts'
import type { RequestAttributes } from '#server/request.ts'

export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const
export type AuditLevel = (typeof LEVELS)[number]
export type AuditStage = (typeof STAGES)[number]

export interface AuditDecision {
  level: AuditLevel
  omitStages: ReadonlySet<AuditStage>
  omitManagedFields: boolean
}

interface GroupResources {
  group?: string
  resources?: string[]
  resourceNames?: string[]
}

interface PolicyRule {
  level: AuditLevel
  users?: string[]
  userGroups?: string[]
  verbs?: string[]
  resources?: GroupResources[]
  namespaces?: string[]
  nonResourceURLs?: string[]
  omitStages?: AuditStage[]
  omitManagedFields?: boolean
}

const NOTHING: AuditDecision = { level: 'None', omitStages: new Set(), omitManagedFields: false }

export class AuditPolicy {
  readonly #rules: readonly { rule: PolicyRule; decision: AuditDecision }[]

  /** Throws ConfigurationError. */
  constructor(text: string) {
    const { rules, omitStages, omitManagedFields } = read(text)
    this.#rules = rules.map((rule) => ({
      rule,
      decision: {
        level: rule.level,
        omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])]),
        omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
      },
    }))
  }

  decide(attributes: RequestAttributes): AuditDecision {
    return this.#rules.find(({ rule }) => matches(rule, attributes))?.decision ?? NOTHING
  }
}

const LISTS = ['users', 'userGroups', 'verbs', 'resources', 'namespaces', 'nonResourceURLs', 'omitStages'] as const
const FIELDS = new Set<string>([...LISTS, 'level', 'omitManagedFields'])

function read(text: string): { rules: PolicyRule[]; omitStages: AuditStage[]; omitManagedFields: boolean } {
  let policy: unknown
  try {
    policy = parseYaml(text).value
  } catch (error) {
    throw new ConfigurationError(`failed decoding the audit policy: ${(error as Error).message}`)
  }
  if (!isObject(policy) || policy.kind !== 'Policy' || policy.apiVersion !== 'audit.k8s.io/v1')
    throw new ConfigurationError('failed decoding the audit policy: a Policy of audit.k8s.io/v1 is needed')
  const errors: string[] = []
  const rules = Array.isArray(policy.rules) ? (policy.rules as PolicyRule[]) : []
  if (rules.length === 0) errors.push('loaded illegal policy with 0 rules')
  const omitStages = (policy.omitStages ?? []) as AuditStage[]
  checkStages('omitStages', omitStages, errors)
  for (const [at, rule] of rules.entries()) check(rule, `rules[${at}]`, errors)
  if (errors.length > 0) throw new ConfigurationError(`the audit policy is not valid: ${errors.join('; ')}`)
  return { rules, omitStages, omitManagedFields: policy.omitManagedFields === true }
}

function check(rule: PolicyRule, path: string, errors: string[]): void {
  if (!isObject(rule)) return void errors.push(`${path}: Invalid value: must be an object`)
  for (const field of Object.keys(rule)) if (!FIELDS.has(field)) errors.push(`unknown field "${path}.${field}"`)
  if (!LEVELS.includes(rule.level))
    errors.push(
      `${path}.level: Unsupported value: ${JSON.stringify(rule.level ?? '')}: supported values: ${LEVELS.map((one) => JSON.stringify(one)).join(', ')}`,
    )
  for (const list of LISTS)
    if (rule[list] !== undefined && rule[list] !== null && !Array.isArray(rule[list]))
      errors.push(`${path}.${list}: Invalid value: must be a list`)
  if (errors.length > 0) return
  if (rule.nonResourceURLs?.length && (rule.resources?.length || rule.namespaces?.length))
    errors.push(`${path}.nonResourceURLs: Invalid value: rules cannot apply to both regular resources and non-resource URLs`)
  for (const [at, url] of (rule.nonResourceURLs ?? []).entries()) {
    const field = `${path}.nonResourceURLs[${at}]: Invalid value: ${JSON.stringify(url)}`
    if (url === '*') continue
    if (!url.startsWith('/')) errors.push(`${field}: non-resource URL rules must begin with a '/' character`)
    else if (url.slice(0, -1).includes('*')) errors.push(`${field}: non-resource URL wildcards '*' must be the final character of the rule`)
  }
  for (const [at, resource] of (rule.resources ?? []).entries()) {
    if (resource.resourceNames?.length && !resource.resources?.length)
      errors.push(`${path}.resources[${at}].resourceNames: Invalid value: using resourceNames requires at least one resource`)
    if (resource.group?.includes('/'))
      errors.push(
        `${path}.resources[${at}].group: Invalid value: ${JSON.stringify(resource.group)}: must be a group alone, without a version`,
      )
  }
  checkStages(`${path}.omitStages`, rule.omitStages ?? [], errors)
}

function checkStages(path: string, stages: readonly string[], errors: string[]): void {
  for (const [at, stage] of stages.entries())
    if (!STAGES.includes(stage as AuditStage))
      errors.push(`${path}[${at}]: Invalid value: ${JSON.stringify(stage)}: allowed stages are ${STAGES.join(',')}`)
}

function matches(rule: PolicyRule, attributes: RequestAttributes): boolean {
  const { user, verb, isResourceRequest, namespace, path } = attributes
  if (rule.users?.length && !rule.users.includes(user.username)) return false
  if (rule.userGroups?.length && !rule.userGroups.some((group) => user.groups.includes(group))) return false
  if (rule.verbs?.length && !rule.verbs.includes(verb)) return false
  if (rule.namespaces?.length || rule.resources?.length) {
    if (!isResourceRequest) return false
    if (rule.namespaces?.length && !rule.namespaces.includes(namespace)) return false
    return !rule.resources?.length || rule.resources.some((one) => concerns(one, attributes))
  }
  if (!rule.nonResourceURLs?.length) return true
  return !isResourceRequest && rule.nonResourceURLs.some((url) => url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))))
}

function concerns({ group = '', resources = [], resourceNames = [] }: GroupResources, attributes: RequestAttributes): boolean {
  const { resource, subresource, name } = attributes
  if (group !== attributes.group) return false
  if (resources.length === 0) return true
  if (resourceNames.length > 0 && !resourceNames.includes(name)) return false
  const full = subresource ? `${resource}/${subresource}` : resource
  return resources.some(
    (one) => one === '*' || one === full || one === `${resource}/*` || (subresource !== '' && one === `*/${subresource}`),
  )
}
