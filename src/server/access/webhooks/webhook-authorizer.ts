// An authorizer outside: asked by SubjectAccessReview for what its conditions let through, its answers remembered for a while.
import { parseFieldSelector } from '#api/field-selector.ts'
import { type LabelOperator, parseLabelSelector } from '#api/label-selector.ts'
import { isObject } from '#api/clone.ts'
import type { CelProgram } from '#api/cel/environment.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { LruMap } from '#lib/lru-map.ts'
import type { Calls } from '#server/access/outgoing-call.ts'
import type { Authorizer, Decision, RequestAttributes } from '#server/request.ts'
import { postReview, type WebhookPlace } from './kubeconfig.ts'

export interface WebhookAuthorizerOptions {
  name: string
  place: WebhookPlace
  version: 'v1' | 'v1beta1'
  timeoutMs: number
  authorizedTtlMs: number
  unauthorizedTtlMs: number
  cacheAuthorized?: boolean
  cacheUnauthorized?: boolean
  /** What counts when it cannot be asked. */
  failurePolicy: 'NoOpinion' | 'Deny'
  /** All must hold for it to be asked. */
  matchConditions?: readonly { expression: string; program: CelProgram }[]
}

export interface WebhookAuthorizerContext {
  call: Calls
  clock: Clock
  log: Logger
}

const REMEMBERED = 8192
/** What a client chose at greater length is not remembered: it would fill the memory. */
const LONGEST_REMEMBERED = 10_000

export function webhookAuthorizer(options: WebhookAuthorizerOptions, { call, clock, log }: WebhookAuthorizerContext): Authorizer {
  const { name, place, version, timeoutMs, failurePolicy, matchConditions = [] } = options
  const known = new LruMap<string, { decision: Decision; until: number }>(REMEMBERED)
  const onFailure = (error: string): Decision => ({
    allowed: false,
    reason: '',
    error,
    ...(failurePolicy === 'Deny' ? { denied: true } : {}),
  })

  return {
    authorize(attributes) {
      const spec = specOf(attributes)
      const verdict = matches(matchConditions, spec)
      if (verdict === false) return { allowed: false, reason: '' }
      if (verdict !== true) return onFailure(verdict.error)
      const key = JSON.stringify(spec)
      const remembered = known.get(key)
      if (remembered && clock.now() < remembered.until) return remembered.decision
      return ask(spec, key)
    },
    rulesFor: () => ({
      resourceRules: [],
      nonResourceRules: [],
      incomplete: true,
      error: 'webhook authorizer does not support user rule resolution',
    }),
  }

  async function ask(spec: Record<string, unknown>, key: string): Promise<Decision> {
    let decision: Decision
    try {
      const sent = version === 'v1' ? spec : (({ groups, ...rest }) => ({ ...rest, group: groups }))(spec)
      const review = { apiVersion: `authorization.k8s.io/${version}`, kind: 'SubjectAccessReview', spec: sent }
      decision = decisionOf(await postReview({ place, review, call, sleep: (ms) => clock.sleep(ms), timeoutMs }))
    } catch (error) {
      log.warn('an authorization webhook could not be asked', { name, error })
      return onFailure((error as Error).message)
    }
    const { cacheAuthorized = true, cacheUnauthorized = true } = options
    const ttl = decision.allowed ? (cacheAuthorized ? options.authorizedTtlMs : 0) : cacheUnauthorized ? options.unauthorizedTtlMs : 0
    if (ttl > 0 && key.length < LONGEST_REMEMBERED) known.set(key, { decision, until: clock.now() + ttl })
    return decision
  }
}

function decisionOf(review: Record<string, unknown>): Decision {
  const { allowed, denied, reason, evaluationError } = (isObject(review['status']) ? review['status'] : {}) as Record<string, unknown>
  if (allowed === true && denied === true) throw new Error('webhook subject access review returned both allow and deny response')
  return {
    allowed: allowed === true,
    ...(denied === true ? { denied: true } : {}),
    reason: typeof reason === 'string' ? reason : '',
    ...(typeof evaluationError === 'string' && evaluationError && allowed !== true
      ? { reason: [reason, evaluationError].filter(Boolean).join(': ') }
      : {}),
  }
}

/** One condition that is false settles it; failing that, one that cannot be evaluated. */
function matches(conditions: readonly { expression: string; program: CelProgram }[], spec: object): boolean | { error: string } {
  const errors: string[] = []
  for (const { expression, program } of conditions) {
    try {
      if (program.evaluate({ request: spec }) !== true) return false
    } catch (error) {
      errors.push(`cel evaluation error: expression '${expression}' resulted in error: ${(error as Error).message}`)
    }
  }
  return errors.length > 0 ? { error: errors.length > 1 ? `[${errors.join(', ')}]` : errors[0]! } : true
}

const OPERATORS: Partial<Record<LabelOperator, string>> = {
  in: 'In',
  '=': 'In',
  '==': 'In',
  notin: 'NotIn',
  '!=': 'NotIn',
  exists: 'Exists',
  '!': 'DoesNotExist',
}

function specOf(attributes: RequestAttributes): Record<string, unknown> {
  const { user, verb, path, isResourceRequest, namespace, group, version: api, resource, subresource, name } = attributes
  const { uid = '', extra = {} } = user
  const filled = (fields: Record<string, string>) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
  const what = isResourceRequest
    ? {
        resourceAttributes: {
          ...filled({ namespace, verb, group, version: api, resource, subresource, name }),
          ...selectorsOf(attributes),
        },
      }
    : { nonResourceAttributes: { path, verb } }
  return { ...what, user: user.username, groups: user.groups, extra, uid }
}

function selectorsOf({ fieldSelector = '', labelSelector = '' }: RequestAttributes): Record<string, unknown> {
  try {
    const fields = parseFieldSelector(fieldSelector).map(({ field, operator, value }) => ({
      key: field,
      operator: operator === '=' ? 'In' : 'NotIn',
      values: [value],
    }))
    const labels = parseLabelSelector(labelSelector).requirements.flatMap(({ key, operator, values }) => {
      const known = OPERATORS[operator]
      return known ? [{ key, operator: known, ...(values.length > 0 ? { values: [...values] } : {}) }] : []
    })
    return {
      ...(fields.length > 0 ? { fieldSelector: { requirements: fields } } : {}),
      ...(labels.length > 0 ? { labelSelector: { requirements: labels } } : {}),
    }
  } catch {
    // The request itself is refused for it later; nothing narrower than all of it is asked here.
    return {}
  }
}
