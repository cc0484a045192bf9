// Mode ABAC: one policy a line, the first that fits allows.
import { isObject } from '#api/clone.ts'
import type { LocalAuthorizer, RequestAttributes } from '#server/request.ts'
import { assertShape, ConfigurationError } from '#api/configuration-file.ts'

interface Policy {
  user?: string
  group?: string
  readonly?: boolean
  apiGroup?: string
  resource?: string
  namespace?: string
  nonResourcePath?: string
}

const SHAPE = {
  user: 'text',
  group: 'text',
  readonly: 'flag',
  apiGroup: 'text',
  resource: 'text',
  namespace: 'text',
  nonResourcePath: 'text',
} as const

/** Throws ConfigurationError that names the line. */
export function parsePolicies(text: string): Policy[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '' || line.trim().startsWith('#')) return []
    const refuse = (why: string): never => {
      throw new ConfigurationError(`line ${index + 1}: ${why}`)
    }
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      refuse('not one JSON object')
    }
    const { apiVersion, kind, spec } = (isObject(value) ? value : refuse('not one JSON object')) as Record<string, unknown>
    if (apiVersion !== 'abac.authorization.kubernetes.io/v1beta1' || kind !== 'Policy')
      refuse('only kind Policy of abac.authorization.kubernetes.io/v1beta1 is read')
    try {
      assertShape(spec ?? {}, SHAPE)
    } catch (error) {
      refuse((error as Error).message)
    }
    return [(spec ?? {}) as Policy]
  })
}

export function abacAuthorizer(policies: readonly Policy[]): LocalAuthorizer {
  return {
    authorize(attributes) {
      if (policies.some((policy) => fits(policy, attributes))) return { allowed: true, reason: '' }
      return { allowed: false, reason: 'No policy matched.' }
    },
    rulesFor: () => ({
      resourceRules: [],
      nonResourceRules: [],
      incomplete: true,
      error: 'ABAC authorizer does not support user rule resolution',
    }),
  }
}

function fits(policy: Policy, attributes: RequestAttributes): boolean {
  const { user, verb, isResourceRequest, namespace, resource, group, path } = attributes
  if (!subjectFits(policy, user)) return false
  if (policy.readonly && !['get', 'list', 'watch'].includes(verb)) return false
  if (!isResourceRequest) return pathFits(policy.nonResourcePath ?? '', path)
  const same = (wanted = '', given: string) => wanted === '*' || wanted === given
  return policy.nonResourcePath
    ? false
    : same(policy.namespace, namespace) && same(policy.resource, resource) && same(policy.apiGroup, group)
}

function subjectFits({ user = '', group = '' }: Policy, asking: RequestAttributes['user']): boolean {
  if (user === '' && group === '') return false
  const userFits = user === '' || user === '*' || user === asking.username
  return userFits && (group === '' || group === '*' || asking.groups.includes(group))
}

const pathFits = (wanted: string, path: string): boolean =>
  wanted === '*' || wanted === path || (wanted.endsWith('*') && path.startsWith(wanted.slice(0, -1)))
