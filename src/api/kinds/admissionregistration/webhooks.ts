// Webhooks of both configurations: defaults and rules.
import { duplicate, type FieldError, invalid, required } from '#api/field-error.ts'
import type {
  AdmissionregistrationServiceReference,
  AdmissionregistrationWebhookClientConfig,
  MutatingWebhook,
  ValidatingWebhook,
} from '#api/generated/types.ts'
import { equal } from '#api/equal.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dns1035Label, dnsSubdomain, portNumber } from '#api/names.ts'
import type { KubeObject } from '#api/object.ts'
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
    checkReviewVersions(webhook.admissionReviewVersions, `${at}.admissionReviewVersions`, errors, 'must specify one of v1, v1beta1')
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
  if ('reinvocationPolicy' in webhook) checkOneOf(`${path}.reinvocationPolicy`, webhook.reinvocationPolicy, ['IfNeeded', 'Never'], errors)
  checkClientConfig(webhook.clientConfig, `${path}.clientConfig`, errors)
  checkMatchConditions(webhook.matchConditions, `${path}.matchConditions`, errors)
}

function checkQualifiedDomain(path: string, name: string | undefined, errors: Errors): void {
  if (!name) return void errors.push(required(path))
  const messages = dnsSubdomain(name)
  if (messages.length > 0) errors.push(invalid(path, name, messages.join(',')))
  else if (name.split('.').length < 3) errors.push(invalid(path, name, 'should be a domain with at least three segments separated by dots'))
}

/** Also of conversion webhooks, which do not say what they miss. */
export function checkReviewVersions(versions: string[] | null | undefined, path: string, errors: Errors, missing = ''): void {
  if (!versions?.length) return void errors.push(required(path, missing))
  const seen = new Set<string>()
  each(versions, path, (version, at) => {
    if (seen.has(version)) return void errors.push(invalid(at, version, 'duplicate version'))
    seen.add(version)
    checkMessages(at, version, dns1035Label(version), errors)
  })
  if (!versions.includes('v1') && !versions.includes('v1beta1'))
    errors.push(invalid(path, versions, 'must include at least one of v1, v1beta1'))
}

/** Also of conversion webhooks. */
export function checkClientConfig(config: AdmissionregistrationWebhookClientConfig | undefined, path: string, errors: Errors): void {
  const { url, service } = config ?? {}
  if ((url === undefined) === (service === undefined)) errors.push(required(path, 'exactly one of url or service is required'))
  else if (url !== undefined) checkUrl(`${path}.url`, url, errors)
  else checkService(service!, `${path}.service`, errors)
}

function checkService({ name, namespace, port, path: target }: AdmissionregistrationServiceReference, path: string, errors: Errors): void {
  if (!name) errors.push(required(`${path}.name`))
  if (!namespace) errors.push(required(`${path}.namespace`))
  const wrong = port === undefined ? [] : portNumber(port)
  if (wrong.length > 0) errors.push(invalid(`${path}.port`, port, `port is not valid: ${wrong.join(', ')}`))
  if (!target || target === '/') return
  const at = `${path}.path`
  if (target === '//') return void errors.push(invalid(at, target, 'segment[0] may not be empty'))
  if (!target.startsWith('/')) errors.push(invalid(at, target, "must start with a '/'"))
  for (const [index, step] of target.slice(1).replace(/\/$/, '').split('/').entries()) {
    if (step === '') errors.push(invalid(at, target, `segment[${index}] may not be empty`))
    else for (const message of dnsSubdomain(step)) errors.push(invalid(at, target, `segment[${index}]: ${message}`))
  }
}

/** In parts, whatever they hold: RFC 3986, appendix B. */
const PARTS = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?[^?#]*(?:\?([^#]*))?(?:#(.*))?$/s

function checkUrl(path: string, url: string, errors: Errors): void {
  const form = '; desired format: https://host[/path]'
  const [, scheme = '', authority = '', query = '', fragment = ''] = PARTS.exec(url) ?? []
  const at = authority.lastIndexOf('@')
  const host = authority.slice(at + 1)
  // Relative references are in order too, and refused for what they lack.
  if (/[\p{Cc}]/u.test(url) || (host !== '' && !URL.canParse(`https://${host}`)) || url.startsWith(':'))
    return void errors.push(required(path, `url must be a valid URL: parse ${JSON.stringify(url)}: invalid URL${form}`))
  if (scheme.toLowerCase() !== 'https') errors.push(invalid(path, scheme.toLowerCase(), `'https' is the only allowed URL scheme${form}`))
  if (!host) errors.push(invalid(path, '', `host must be specified${form}`))
  if (at >= 0) errors.push(invalid(path, authority.slice(0, at), 'user information is not permitted in the URL'))
  if (fragment) errors.push(invalid(path, fragment, 'fragments are not permitted in the URL'))
  if (query) errors.push(invalid(path, query, 'query parameters are not permitted in the URL'))
}

export const webhookColumns = columnsOf<KubeObject & { webhooks?: unknown[] }>({
  name: 'Webhooks',
  type: 'integer',
  description: 'Number of webhooks.',
  value: ({ webhooks }) => webhooks?.length ?? 0,
})
