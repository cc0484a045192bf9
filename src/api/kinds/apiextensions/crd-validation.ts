// Rules of CustomResourceDefinitions: names, versions, schemas, conversion, and what an established one may not change.
import { isConditionTrue } from '#api/conditions.ts'
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { checkClientConfig, checkReviewVersions } from '#api/kinds/admissionregistration/webhooks.ts'
import { dns1035Label, dnsSubdomain } from '#api/names.ts'
import { checkAmong, checkImmutable, each, type Errors } from '#api/validation/checks.ts'
import { APPROVAL_ANNOTATION, NOT_APPROVED, approvalOf, needsApproval } from './approval.ts'
import { checkVersions } from './crd-versions.ts'

type Crd = types.CustomResourceDefinition

export function validateCrd(next: Crd, previous: Crd | undefined, { subresource }: HookContext): FieldError[] {
  const errors: Errors = []
  const { metadata, status } = next
  if (subresource === 'status') {
    checkNames(status?.acceptedNames, 'status.acceptedNames', errors)
    return errors
  }
  const spec = next.spec ?? ({} as types.CustomResourceDefinitionSpec)
  const expected = `${spec.names?.plural ?? ''}.${spec.group ?? ''}`
  if (!previous && metadata?.name !== expected)
    errors.push(invalid('metadata.name', metadata?.name, `must be spec.names.plural+"."+spec.group`))
  checkSpec(spec, errors)
  if (previous) checkFixed(spec, previous, errors)
  checkNames(status?.acceptedNames, 'status.acceptedNames', errors)
  checkStored({ ...next, spec }, errors)
  checkApproval({ ...next, spec }, previous, errors)
  if (spec.preserveUnknownFields)
    errors.push(
      invalid(
        'spec.preserveUnknownFields',
        true,
        'cannot set to true, set x-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ),
    )
  return errors
}

function checkSpec(spec: types.CustomResourceDefinitionSpec, errors: Errors): void {
  const messages = dnsSubdomain(spec.group ?? '')
  if (!spec.group) errors.push(required('spec.group'))
  else if (messages.length > 0) errors.push(invalid('spec.group', spec.group, messages.join(',')))
  else if (!spec.group.includes('.')) errors.push(invalid('spec.group', spec.group, 'should be a domain with at least one dot'))
  checkAmong('spec.scope', spec.scope, ['Cluster', 'Namespaced'], errors)
  checkVersions(spec, errors)
  for (const field of ['plural', 'singular', 'kind', 'listKind'] as const)
    if (!spec.names?.[field]) errors.push(required(`spec.names.${field}`))
  checkNames(spec.names, 'spec.names', errors)
  checkConversion(spec, errors)
}

/** Where its objects are kept, and what they are told apart by. */
function checkFixed(spec: types.CustomResourceDefinitionSpec, previous: Crd, errors: Errors): void {
  if (isConditionTrue(previous.status?.conditions, 'Established')) {
    checkImmutable('spec.scope', spec.scope, previous.spec.scope, errors)
    checkImmutable('spec.names.kind', spec.names?.kind, previous.spec.names.kind, errors)
  }
  checkImmutable('spec.group', spec.group, previous.spec.group, errors)
  checkImmutable('spec.names.plural', spec.names?.plural, previous.spec.names.plural, errors)
}

/** What it was before it may stay: who changes something else is not to be troubled. */
function checkApproval(next: Crd, previous: Crd | undefined, errors: Errors): void {
  if (!needsApproval(next.spec.group ?? '')) return
  const { state, value } = approvalOf(next.metadata)
  if (previous && approvalOf(previous.metadata).state === state) return
  const at = `metadata.annotations[${APPROVAL_ANNOTATION}]`
  if (state === 'missing') errors.push(required(at, NOT_APPROVED.missing))
  if (state === 'invalid') errors.push(invalid(at, value, NOT_APPROVED.invalid))
}

function checkNames(names: types.CustomResourceDefinitionNames | undefined, path: string, errors: Errors): void {
  const label = (at: string, value: string | undefined, before = '') => {
    const messages = value ? dns1035Label(before ? value.toLowerCase() : value) : []
    if (messages.length > 0) errors.push(invalid(at, value, before + messages.join(',')))
  }
  const mixed = 'may have mixed case, but should otherwise match: '
  label(`${path}.plural`, names?.plural)
  label(`${path}.singular`, names?.singular)
  label(`${path}.kind`, names?.kind, mixed)
  label(`${path}.listKind`, names?.listKind, mixed)
  const listed = (at: string, list: string[] | undefined) =>
    each(list, at, (name, where) => {
      const messages = dns1035Label(name)
      if (messages.length > 0) errors.push(invalid(where, name, messages.join(',')))
    })
  listed(`${path}.shortNames`, names?.shortNames)
  if (names?.kind && names.kind === names.listKind)
    errors.push(invalid(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same'))
  listed(`${path}.categories`, names?.categories)
}

function checkConversion({ conversion }: types.CustomResourceDefinitionSpec, errors: Errors): void {
  const at = 'spec.conversion'
  if (!conversion) return
  const { strategy, webhook } = conversion
  checkAmong(`${at}.strategy`, strategy, ['None', 'Webhook'], errors)
  if (strategy === 'Webhook') {
    if (!webhook?.clientConfig) errors.push(required(`${at}.webhookClientConfig`, 'required when strategy is set to Webhook'))
    else checkClientConfig(webhook.clientConfig, `${at}.webhookClientConfig`, errors)
    return checkReviewVersions(webhook?.conversionReviewVersions, `${at}.conversionReviewVersions`, errors)
  }
  const why = 'should not be set when strategy is not set to Webhook'
  if (webhook?.clientConfig) errors.push(forbidden(`${at}.webhookClientConfig`, why))
  if (webhook?.conversionReviewVersions?.length) errors.push(forbidden(`${at}.conversionReviewVersions`, why))
}

function checkStored({ spec, status }: Crd, errors: Errors): void {
  const at = 'status.storedVersions'
  const stored = status?.storedVersions ?? []
  if (stored.length === 0) return void errors.push(invalid(at, null, 'must have at least one stored version'))
  for (const { name, storage } of spec.versions ?? [])
    if (storage && !stored.includes(name)) errors.push(invalid(at, stored, `must have the storage version ${name}`))
  each(stored, at, (name, where) => {
    if (spec.versions?.some((version) => version.name === name)) return
    const why = `${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`
    errors.push(invalid(where, name, `missing from spec.versions; ${why}`))
  })
}
