// Webhooks of both configurations: defaults and rules.
import { duplicate, type FieldError, invalid, required } from '#api/field-error.ts'
import type { AdmissionregistrationWebhookClientConfig, MutatingWebhook, ValidatingWebhook } from '#api/generated/types.ts'
import { equal } from '#api/equal.ts'
import { dns1035Label, dnsSubdomain } from '#api/names.ts'
import { COMPILE_SLICE, compileValidatingPolicy } from '#api/policies/compile.ts'
import { paced } from '#lib/paced.ts'
import { checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { validateLabelSelector } from '#api/validation/label-selector.ts'
import { checkMatchConditions, checkRule } from './rules.ts'

export function defaultWebhook(webhook: ValidatingWebhook | MutatingWebhook): void {
  webhook.failurePolicy ??= 'Fail'
  webhook.matchPolicy ??= 'Equivalent'
  webhook.namespaceSelector ??= {}
  webhook.objectSelector ??= {}
  webhook.timeoutSeconds ??= 10
  for (const rule of webhook.rules ?? []) rule.scope ??= '*'
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443
}

export function validateWebhooks(webhooks: (ValidatingWebhook | MutatingWebhook)[] | undefined): FieldError[] {
  const errors: Errors = []
  const names = new Set<string>()
  each(webhooks, 'webhooks', (webhook, at) => {
    checkWebhook(webhook, at, errors)
    if (webhook.name && names.has(webhook.name)) errors.push(duplicate(`${at}.name`, webhook.name))
    names.add(webhook.name)
  })
  return errors
}

/** Whether new conditions compile: asked apart from all other rules, for it may take long. */
export async function validateConditions(webhooks: readonly Webhook[] = [], previous: readonly Webhook[] = []): Promise<FieldError[]> {
  const errors: Errors = []
  for (const [index, { matchConditions }] of webhooks.entries()) {
    if (!matchConditions?.length || previous.some((one) => equal(one.matchConditions, matchConditions))) continue
    const compiled = await paced(compileValidatingPolicy({ matchConditions }), COMPILE_SLICE)
    for (const { path, expression, error } of compiled.matchConditions)
      if (error !== undefined && expression.trim()) errors.push(invalid(path.replace(/^spec/, `webhooks[${index}]`), expression, error))
  }
  return errors
}

type Webhook = ValidatingWebhook | MutatingWebhook

function checkWebhook(webhook: ValidatingWebhook | MutatingWebhook, path: string, errors: Errors): void {
  checkQualifiedDomain(`${path}.name`, webhook.name, errors)
  each(webhook.rules, `${path}.rules`, (rule, at) => checkRule(rule, at, errors))
  checkOneOf(`${path}.failurePolicy`, webhook.failurePolicy, ['Fail', 'Ignore'], errors)
  checkOneOf(`${path}.matchPolicy`, webhook.matchPolicy, ['Equivalent', 'Exact'], errors)
  if (!webhook.sideEffects) errors.push(required(`${path}.sideEffects`, 'must specify one of None, NoneOnDryRun'))
  else checkOneOf(`${path}.sideEffects`, webhook.sideEffects, ['None', 'NoneOnDryRun'], errors)
  const timeout = webhook.timeoutSeconds
  if (timeout !== undefined && (timeout < 1 || timeout > 30))
    errors.push(invalid(`${path}.timeoutSeconds`, timeout, 'the timeout value must be between 1 and 30 seconds'))
  errors.push(...validateLabelSelector(webhook.namespaceSelector, `${path}.namespaceSelector`))
  errors.push(...validateLabelSelector(webhook.objectSelector, `${path}.objectSelector`))
  checkReviewVersions(webhook.admissionReviewVersions, `${path}.admissionReviewVersions`, errors)
  if ('reinvocationPolicy' in webhook) checkOneOf(`${path}.reinvocationPolicy`, webhook.reinvocationPolicy, ['IfNeeded', 'Never'], errors)
  checkClientConfig(webhook.clientConfig, `${path}.clientConfig`, errors)
  checkMatchConditions(webhook.matchConditions, `${path}.matchConditions`, errors)
}

function checkQualifiedDomain(path: string, name: string | undefined, errors: Errors): void {
  if (!name) return void errors.push(required(path))
  const messages = dnsSubdomain(name)
  if (messages.length > 0) checkMessages(path, name, messages, errors)
  else if (name.split('.').length < 3) errors.push(invalid(path, name, 'should be a domain with at least three segments separated by dots'))
}

export function checkReviewVersions(
  versions: string[] | undefined,
  path: string,
  errors: Errors,
  accepted: readonly string[] = ['v1', 'v1beta1'],
): void {
  if (!versions?.length) return void errors.push(required(path, `must specify one of ${accepted.join(', ')}`))
  const seen = new Set<string>()
  each(versions, path, (version, at) => {
    if (seen.has(version)) errors.push(invalid(at, version, 'duplicate version'))
    seen.add(version)
    checkMessages(at, version, dns1035Label(version), errors)
  })
  if (!versions.some((version) => accepted.includes(version)))
    errors.push(invalid(path, versions, `must include at least one of ${accepted.join(', ')}`))
}

/** Also of conversion webhooks. */
export function checkClientConfig(config: AdmissionregistrationWebhookClientConfig | undefined, path: string, errors: Errors): void {
  const { url, service } = config ?? {}
  if ((url === undefined) === (service === undefined)) errors.push(required(path, 'exactly one of url or service is required'))
  if (url !== undefined) checkUrl(`${path}.url`, url, errors)
  if (!service) return
  if (!service.name) errors.push(required(`${path}.service.name`, 'service name is required'))
  if (!service.namespace) errors.push(required(`${path}.service.namespace`, 'service namespace is required'))
  const { port, path: target } = service
  if (port !== undefined && (port < 1 || port > 65535))
    errors.push(invalid(`${path}.service.port`, port, 'port is not valid: must be between 1 and 65535, inclusive'))
  if (target !== undefined && target !== '' && target !== '/') {
    if (!target.startsWith('/')) errors.push(invalid(`${path}.service.path`, target, "must start with a '/'"))
    else if (target.includes('//')) errors.push(invalid(`${path}.service.path`, target, 'segment[0] may not be empty'))
  }
}

function checkUrl(path: string, url: string, errors: Errors): void {
  const form = '; desired format: https://host[/path]'
  if (!URL.canParse(url)) return void errors.push(required(path, `url must be a valid URL${form}`))
  const parsed = new URL(url)
  if (parsed.protocol !== 'https:')
    errors.push(invalid(path, parsed.protocol.slice(0, -1), `'https' is the only allowed URL scheme${form}`))
  if (!parsed.host) errors.push(invalid(path, '', `host must be specified${form}`))
  if (parsed.username) errors.push(invalid(path, parsed.username, 'user information is not permitted in the URL'))
  if (parsed.hash) errors.push(invalid(path, parsed.hash.slice(1), 'fragments are not permitted in the URL'))
  if (parsed.search) errors.push(invalid(path, parsed.search.slice(1), 'query parameters are not permitted in the URL'))
}
