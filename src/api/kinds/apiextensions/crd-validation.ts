// Rules of CustomResourceDefinitions: names, versions, schemas, conversion, and what an established one may not change.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { checkClientConfig, checkReviewVersions } from '#api/kinds/admissionregistration/webhooks.ts'
import { isConditionTrue } from '#api/kinds/columns.ts'
import { dns1035Label, dnsSubdomain } from '#api/names.ts'
import { checkImmutable, checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { checkVersions } from './crd-versions.ts'

type Crd = types.CustomResourceDefinition

const PROTECTED = /(^|\.)(k8s|kubernetes)\.io$/
const APPROVED = 'api-approved.kubernetes.io'

export function validateCrd(next: Crd, previous: Crd | undefined, { subresource }: HookContext): FieldError[] {
  const errors: Errors = []
  const { metadata } = next
  const spec = next.spec ?? ({} as types.CustomResourceDefinitionSpec)
  if (subresource === 'status') {
    checkStored(next, errors)
    return errors
  }
  const expected = `${spec.names?.plural ?? ''}.${spec.group ?? ''}`
  if (!previous && metadata?.name !== expected)
    errors.push(invalid('metadata.name', metadata?.name, `must be spec.names.plural+"."+spec.group`))
  checkApproval({ ...next, spec }, previous, errors)
  if (!spec.group) errors.push(required('spec.group'))
  else {
    checkMessages('spec.group', spec.group, dnsSubdomain(spec.group), errors)
    if (!spec.group.includes('.')) errors.push(invalid('spec.group', spec.group, 'should be a domain with at least one dot'))
  }
  checkOneOf('spec.scope', spec.scope, ['Cluster', 'Namespaced'], errors, { required: true })
  checkVersions(spec, errors)
  checkNames(spec.names, 'spec.names', errors)
  checkConversion(spec, errors)
  if (spec.preserveUnknownFields)
    errors.push(invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema'))
  if (!previous) return errors
  checkImmutable('spec.group', spec.group, previous.spec.group, errors)
  checkImmutable('spec.names.plural', spec.names?.plural, previous.spec.names.plural, errors)
  if (isConditionTrue(previous.status?.conditions, 'Established')) {
    checkImmutable('spec.scope', spec.scope, previous.spec.scope, errors)
    checkImmutable('spec.names.kind', spec.names?.kind, previous.spec.names.kind, errors)
  }
  checkStored({ ...next, spec }, errors)
  return errors
}

function checkApproval({ spec, metadata }: Crd, previous: Crd | undefined, errors: Errors): void {
  if (!PROTECTED.test(spec.group ?? '') || (previous && !previous.metadata?.annotations?.[APPROVED])) return
  const at = `metadata.annotations[${APPROVED}]`
  const value = metadata?.annotations?.[APPROVED]
  if (!value)
    errors.push(
      required(
        at,
        'protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
      ),
    )
  else if (!value.startsWith('unapproved') && !URL.canParse(value))
    errors.push(
      invalid(
        at,
        value,
        'protected groups must have approval annotation "api-approved.kubernetes.io" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111',
      ),
    )
}

function checkNames(names: types.CustomResourceDefinitionNames | undefined, path: string, errors: Errors): void {
  const label = (field: string, value: string | undefined, spelled = value) => {
    if (!value) errors.push(required(`${path}.${field}`))
    else checkMessages(`${path}.${field}`, value, dns1035Label(spelled ?? ''), errors)
  }
  label('plural', names?.plural)
  label('singular', names?.singular)
  label('kind', names?.kind, names?.kind?.toLowerCase())
  label('listKind', names?.listKind, names?.listKind?.toLowerCase())
  each(names?.shortNames, `${path}.shortNames`, (name, at) => checkMessages(at, name, dns1035Label(name), errors))
  each(names?.categories, `${path}.categories`, (name, at) => checkMessages(at, name, dns1035Label(name), errors))
  if (names?.kind && names.kind === names.listKind)
    errors.push(invalid(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same'))
}

function checkConversion({ conversion }: types.CustomResourceDefinitionSpec, errors: Errors): void {
  const at = 'spec.conversion'
  if (!conversion) return
  if (!conversion.strategy) return void errors.push(required(`${at}.strategy`))
  if (conversion.strategy === 'None') {
    if (conversion.webhook) errors.push(forbidden(`${at}.webhook`, 'should not be set when strategy is not set to Webhook'))
    return
  }
  if (conversion.strategy !== 'Webhook') return void errors.push(notSupported(`${at}.strategy`, conversion.strategy, ['None', 'Webhook']))
  if (!conversion.webhook) return void errors.push(required(`${at}.webhookClientConfig`, 'required when strategy is set to Webhook'))
  checkClientConfig(conversion.webhook.clientConfig, `${at}.webhookClientConfig`, errors)
  checkReviewVersions(conversion.webhook.conversionReviewVersions, `${at}.conversionReviewVersions`, errors)
}

function checkStored({ spec, status }: Crd, errors: Errors): void {
  const stored = status?.storedVersions ?? []
  const storage = spec.versions?.find((version) => version.storage)?.name
  if (stored.length === 0) errors.push(invalid('status.storedVersions', stored, 'must have at least one stored version'))
  else if (storage && !stored.includes(storage))
    errors.push(invalid('status.storedVersions', stored, `must have the storage version ${storage}`))
  each(stored, 'status.storedVersions', (name, at) => {
    if (spec.versions?.some((version) => version.name === name)) return
    const why = `${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`
    errors.push(invalid(at, name, `missing from spec.versions; ${why}`))
  })
}
