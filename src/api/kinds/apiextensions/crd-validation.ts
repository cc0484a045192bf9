// Rules of CustomResourceDefinitions: names, versions, schemas, conversion, and what an established one may not change.
import { JsonPath } from '#api/custom/json-path.ts'
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { checkClientConfig, checkReviewVersions } from '#api/kinds/admissionregistration/webhooks.ts'
import { isConditionTrue } from '#api/kinds/columns.ts'
import { dns1035Label, dnsSubdomain } from '#api/names.ts'
import { checkImmutable, checkMessages, checkOneOf, each, type Errors } from '#api/validation/checks.ts'
import { checkSchemaDefaults } from './schema-defaults.ts'
import { checkStructural } from './structural-schema.ts'

type Crd = types.CustomResourceDefinition

const PROTECTED = /(^|\.)(k8s|kubernetes)\.io$/
const APPROVED = 'api-approved.kubernetes.io'

export function validateCrd(next: Crd, previous: Crd | undefined, { subresource }: HookContext): FieldError[] {
  const errors: Errors = []
  const { metadata, status } = next
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
  for (const stored of status?.storedVersions ?? [])
    if (!spec.versions?.some(({ name }) => name === stored))
      errors.push(invalid(`status.storedVersions[${status!.storedVersions!.indexOf(stored)}]`, stored, 'must appear in spec.versions'))
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

function checkVersions({ versions }: types.CustomResourceDefinitionSpec, errors: Errors): void {
  if (!versions?.length)
    return void errors.push(invalid('spec.versions', versions, 'must have exactly one version marked as storage version'))
  const names = new Set<string>()
  each(versions, 'spec.versions', (version, at) => {
    checkMessages(`${at}.name`, version.name, dns1035Label(version.name ?? ''), errors)
    if (names.has(version.name)) errors.push(duplicate(`${at}.name`, version.name))
    names.add(version.name)
    if (version.deprecationWarning !== undefined && !version.deprecated)
      errors.push(invalid(`${at}.deprecationWarning`, version.deprecationWarning, 'can only be set for deprecated versions'))
    const schema = version.schema?.openAPIV3Schema
    if (!schema) errors.push(required(`${at}.schema.openAPIV3Schema`, 'schemas are required'))
    else {
      checkStructural(schema, `${at}.schema.openAPIV3Schema`, errors)
      checkSchemaDefaults(schema, `${at}.schema.openAPIV3Schema`, errors)
    }
    checkSubresources(version, `${at}.subresources`, errors)
    each(version.additionalPrinterColumns, `${at}.additionalPrinterColumns`, ({ name, type, jsonPath, format }, where) => {
      if (!name) errors.push(required(`${where}.name`))
      if (!type) errors.push(required(`${where}.type`, `must be one of boolean,date,integer,number,string`))
      else checkOneOf(`${where}.type`, type, ['boolean', 'date', 'integer', 'number', 'string'], errors)
      if (format)
        checkOneOf(`${where}.format`, format, ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'], errors)
      if (!jsonPath) errors.push(required(`${where}.jsonPath`))
      else if (!jsonPath.startsWith('.')) errors.push(invalid(`${where}.jsonPath`, jsonPath, 'must be a simple json path starting with .'))
      else if (!pathOf(jsonPath)) errors.push(invalid(`${where}.jsonPath`, jsonPath, 'is an invalid path'))
    })
    checkSelectable(version, `${at}.selectableFields`, errors)
    if ((version.selectableFields?.length ?? 0) > 8)
      errors.push({
        type: 'FieldValueTooMany',
        field: `${at}.selectableFields`,
        message: `Too many: ${version.selectableFields!.length}: must have at most 8 items`,
      })
  })
  if (versions.filter(({ storage }) => storage).length !== 1)
    errors.push(invalid('spec.versions', versions, 'must have exactly one version marked as storage version'))
}

function checkSelectable({ selectableFields, schema }: types.CustomResourceDefinitionVersion, path: string, errors: Errors): void {
  const seen = new Set<string>()
  each(selectableFields, path, ({ jsonPath }, where) => {
    const at = `${where}.jsonPath`
    if (!jsonPath) return void errors.push(required(at))
    if (seen.has(jsonPath)) errors.push(duplicate(at, jsonPath))
    seen.add(jsonPath)
    const names = pathOf(jsonPath)?.fields
    if (!names?.length || !jsonPath.startsWith('.'))
      return void errors.push(invalid(at, jsonPath, 'is an invalid path: must be a simple path of fields'))
    if (names[0] === 'metadata') return void errors.push(invalid(at, jsonPath, 'must not point to fields in metadata'))
    const target = names.reduce<types.JSONSchemaProps | undefined>((one, name) => one?.properties?.[name], schema?.openAPIV3Schema)
    if (!target) errors.push(invalid(at, jsonPath, 'is an invalid path: does not refer to a valid field'))
    else if (!['string', 'integer', 'boolean'].includes(target.type ?? ''))
      errors.push(
        invalid(
          at,
          jsonPath,
          'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
        ),
      )
  })
}

function pathOf(text: string): JsonPath | undefined {
  try {
    return JsonPath.parse(text)
  } catch {
    return undefined
  }
}

function checkSubresources({ subresources }: types.CustomResourceDefinitionVersion, path: string, errors: Errors): void {
  const scale = subresources?.scale
  if (!scale) return
  for (const [field, root] of [
    ['specReplicasPath', '.spec.'],
    ['statusReplicasPath', '.status.'],
  ] as const) {
    const value = scale[field]
    if (!value) errors.push(required(`${path}.scale.${field}`))
    else if (!value.startsWith(root))
      errors.push(invalid(`${path}.scale.${field}`, value, `should be a json path under ${root.slice(0, -1)}`))
  }
  const selector = scale.labelSelectorPath
  if (selector && !/^\.(spec|status)\./.test(selector))
    errors.push(invalid(`${path}.scale.labelSelectorPath`, selector, 'should be a json path under either .spec or .status'))
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
  if (conversion.strategy === 'Webhook')
    errors.push(forbidden(`${at}.strategy`, 'conversion webhooks are not supported by this server: use strategy None'))
  else return void errors.push(notSupported(`${at}.strategy`, conversion.strategy, ['None', 'Webhook']))
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
    if (!spec.versions?.some((version) => version.name === name)) errors.push(invalid(at, name, 'must appear in spec.versions'))
  })
}
