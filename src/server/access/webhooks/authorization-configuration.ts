// AuthorizationConfiguration: who is asked whether a request may pass, in order. Checked as upstream checks it; conditions compiled once.
import { statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { duplicate, type FieldError, invalid, notSupported, required, tooMany } from '#api/field-error.ts'
import type { CelProgram } from '#api/cel/environment.ts'
import { dnsSubdomain } from '#api/names.ts'
import { assertShape, parseConfiguration, parseDuration, refuseAll, type Shape } from '#api/configuration-file.ts'
import { readWebhookKubeconfig } from './kubeconfig.ts'
import type { WebhookAuthorizerOptions } from './webhook-authorizer.ts'

export interface WebhookConfig {
  authorizedTTL?: string
  cacheAuthorizedRequests?: boolean
  unauthorizedTTL?: string
  cacheUnauthorizedRequests?: boolean
  timeout?: string
  subjectAccessReviewVersion?: string
  matchConditionSubjectAccessReviewVersion?: string
  failurePolicy?: string
  connectionInfo?: { type?: string; kubeConfigFile?: string }
  matchConditions?: { expression?: string }[]
}

export interface AuthorizationConfig {
  authorizers?: { type?: string; name?: string; webhook?: WebhookConfig }[]
}

export type AuthorizerChoice =
  | { type: 'Node' | 'RBAC' | 'AlwaysAllow' | 'AlwaysDeny' | 'ABAC' }
  | { type: 'Webhook'; webhook: WebhookAuthorizerOptions }

const SHAPE: Shape = {
  apiVersion: 'text',
  kind: 'text',
  authorizers: [
    {
      type: 'text',
      name: 'text',
      webhook: {
        authorizedTTL: 'duration',
        cacheAuthorizedRequests: 'flag',
        unauthorizedTTL: 'duration',
        cacheUnauthorizedRequests: 'flag',
        timeout: 'duration',
        subjectAccessReviewVersion: 'text',
        matchConditionSubjectAccessReviewVersion: 'text',
        failurePolicy: 'text',
        connectionInfo: { type: 'text', kubeConfigFile: 'text' },
        matchConditions: [{ expression: 'text' }],
      },
    },
  ],
}
/** Mode ABAC has its policy file by flag, so it cannot be said in the file: upstream's rule. */
const TYPES = ['AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook']
const AUTHORIZED_TTL = '5m'
const UNAUTHORIZED_TTL = '30s'
const LONGEST_TIMEOUT_MS = 30_000
const MOST_CONDITIONS = 64

export function parseAuthorizationConfiguration(text: string): AuthorizationConfig {
  const value = parseConfiguration(text, { kind: 'AuthorizationConfiguration' })
  assertShape(value, SHAPE)
  return value as AuthorizationConfig
}

/** Throws ConfigurationError with every mistake. */
export async function checkAuthorization({ authorizers = [] }: AuthorizationConfig): Promise<AuthorizerChoice[]> {
  const errors: FieldError[] = []
  if (authorizers.length === 0) errors.push(required('authorizers', 'at least one authorization mode must be defined'))
  const compile = await conditionCompiler(errors)
  const choices = authorizers.flatMap(({ type = '', name = '', webhook }, index): AuthorizerChoice[] => {
    const at = `authorizers[${index}]`
    const before = authorizers.slice(0, index)
    if (!type) return none(errors.push(required(`${at}.type`)))
    if (!TYPES.includes(type)) return none(errors.push(notSupported(`${at}.type`, type, TYPES)))
    if (type !== 'Webhook' && before.some((one) => one.type === type)) return none(errors.push(duplicate(`${at}.type`, type)))
    const why = dnsSubdomain(name)
    if (!name) errors.push(required(`${at}.name`))
    else if (before.some((one) => one.name === name)) errors.push(duplicate(`${at}.name`, name))
    else if (why.length > 0) errors.push(invalid(`${at}.name`, name, `authorizer name is invalid: ${why.join(', ')}`))
    if (type !== 'Webhook') {
      if (webhook) errors.push(invalid(`${at}.webhook`, 'non-null', 'may only be specified when type=Webhook'))
      return [{ type: type as 'Node' }]
    }
    if (!webhook) return none(errors.push(required(`${at}.webhook`, 'required when type=Webhook')))
    const checked = checkWebhook(webhook, { at, name, errors, compile })
    return checked ? [{ type, webhook: checked }] : []
  })
  refuseAll(errors)
  return choices
}

const none = (_count: number): never[] => []

type Compile = (expression: string, field: string) => CelProgram | undefined

/** Expressions over the spec of a SubjectAccessReview; loaded only when a file is read. */
async function conditionCompiler(errors: FieldError[]): Promise<Compile> {
  const { BOOL, celEnvironment, CelError, compileCel, listOf, mapOf, STRING } = await import('#api/cel/environment.ts')
  const { structType } = await import('#api/cel/object-types.ts')
  const texts = (...names: string[]) => Object.fromEntries(names.map((name) => [name, STRING]))
  const strings = listOf(STRING)
  const selector = (name: string) => {
    const requirement = structType(`kubernetes.${name}Requirement`, { ...texts('key', 'operator'), values: strings })
    return structType(`kubernetes.${name}Attributes`, { rawSelector: STRING, requirements: listOf(requirement) })
  }
  const resourceAttributes = structType('kubernetes.ResourceAttributes', {
    ...texts('namespace', 'verb', 'group', 'version', 'resource', 'subresource', 'name'),
    fieldSelector: selector('FieldSelector'),
    labelSelector: selector('LabelSelector'),
  })
  const request = structType('kubernetes.SubjectAccessReviewSpec', {
    resourceAttributes,
    nonResourceAttributes: structType('kubernetes.NonResourceAttributes', texts('path', 'verb')),
    ...texts('user', 'uid'),
    groups: strings,
    extra: mapOf(STRING, strings),
  })
  const environment = celEnvironment({ variables: { request } })
  return (expression, field) => {
    try {
      return compileCel(expression, environment, { expects: [BOOL] })
    } catch (error) {
      if (!(error instanceof CelError)) throw error
      errors.push(invalid(field, expression, error.message))
      return undefined
    }
  }
}

interface WebhookCheck {
  at: string
  name: string
  errors: FieldError[]
  compile: Compile
}

function checkWebhook(webhook: WebhookConfig, { at, name, errors, compile }: WebhookCheck): WebhookAuthorizerOptions | undefined {
  const { authorizedTTL = AUTHORIZED_TTL, unauthorizedTTL = UNAUTHORIZED_TTL, timeout = '', failurePolicy = '' } = webhook
  const { subjectAccessReviewVersion: version = '', matchConditionSubjectAccessReviewVersion: conditionVersion = '' } = webhook
  const before = errors.length
  const timeoutMs = parseDuration(timeout)
  if (!timeout) errors.push(required(`${at}.timeout`))
  else if (timeoutMs === undefined || timeoutMs <= 0 || timeoutMs > LONGEST_TIMEOUT_MS)
    errors.push(invalid(`${at}.timeout`, timeout, 'must be > 0s and <= 30s'))
  const [authorizedTtlMs, unauthorizedTtlMs] = [
    [`${at}.authorizedTTL`, authorizedTTL],
    [`${at}.unauthorizedTTL`, unauthorizedTTL],
  ].map(([field, text]) => {
    const ms = parseDuration(text!)
    if (!ms) errors.push(invalid(field!, text, 'must be > 0s'))
    return ms ?? 0
  })
  if (!version) errors.push(required(`${at}.subjectAccessReviewVersion`))
  else if (version !== 'v1' && version !== 'v1beta1')
    errors.push(notSupported(`${at}.subjectAccessReviewVersion`, version, ['v1', 'v1beta1']))
  if (!conditionVersion && webhook.matchConditions?.length)
    errors.push(required(`${at}.matchConditionSubjectAccessReviewVersion`, 'required if match conditions are specified'))
  else if (conditionVersion && conditionVersion !== 'v1')
    errors.push(notSupported(`${at}.matchConditionSubjectAccessReviewVersion`, conditionVersion, ['v1']))
  if (!failurePolicy) errors.push(required(`${at}.failurePolicy`))
  else if (failurePolicy !== 'NoOpinion' && failurePolicy !== 'Deny')
    errors.push(notSupported(`${at}.failurePolicy`, failurePolicy, ['NoOpinion', 'Deny']))
  checkConnection(webhook.connectionInfo ?? {}, `${at}.connectionInfo`, errors)
  const matchConditions = checkConditions(webhook, { at, name, errors, compile })
  if (errors.length > before) return undefined
  const { cacheAuthorizedRequests: cacheAuthorized, cacheUnauthorizedRequests: cacheUnauthorized } = webhook
  return {
    name,
    place: readWebhookKubeconfig(webhook.connectionInfo!.kubeConfigFile!),
    version: version as 'v1',
    timeoutMs: timeoutMs!,
    authorizedTtlMs: authorizedTtlMs!,
    unauthorizedTtlMs: unauthorizedTtlMs!,
    failurePolicy: failurePolicy as 'Deny',
    matchConditions,
    ...(cacheAuthorized === undefined ? {} : { cacheAuthorized }),
    ...(cacheUnauthorized === undefined ? {} : { cacheUnauthorized }),
  }
}

function checkConnection(
  { type = '', kubeConfigFile = '' }: NonNullable<WebhookConfig['connectionInfo']>,
  at: string,
  errors: FieldError[],
): void {
  const file = `${at}.kubeConfigFile`
  if (!type) errors.push(required(`${at}.type`))
  else if (type === 'InClusterConfig') errors.push(invalid(`${at}.type`, type, 'this API server is not a pod: say KubeConfigFile'))
  else if (type !== 'KubeConfigFile') errors.push(notSupported(`${at}.type`, type, ['InClusterConfig', 'KubeConfigFile']))
  else if (!kubeConfigFile) errors.push(required(file))
  else if (!isAbsolute(kubeConfigFile)) errors.push(invalid(file, kubeConfigFile, 'must be an absolute path'))
  else {
    const found = statSync(kubeConfigFile, { throwIfNoEntry: false })
    if (!found) errors.push(invalid(file, kubeConfigFile, `error loading file: stat ${kubeConfigFile}: no such file or directory`))
    else if (!found.isFile()) errors.push(invalid(file, kubeConfigFile, 'must be a regular file'))
  }
}

function checkConditions({ matchConditions = [] }: WebhookConfig, { at, errors, compile }: WebhookCheck) {
  if (matchConditions.length > MOST_CONDITIONS)
    return none(errors.push(tooMany(`${at}.matchConditions`, matchConditions.length, MOST_CONDITIONS)))
  return matchConditions.flatMap(({ expression = '' }, index) => {
    const field = `${at}.matchConditions[${index}].expression`
    if (expression.trim() === '') return none(errors.push(required(field)))
    if (matchConditions.findIndex((one) => one.expression === expression) < index) return none(errors.push(duplicate(field, expression)))
    const program = compile(expression, field)
    return program ? [{ expression, program }] : []
  })
}
