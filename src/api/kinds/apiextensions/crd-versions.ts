// The versions of a definition: schemas, subresources, columns and selectable fields. What all versions say alike is told where upstream keeps it,
// once for all.
import { FieldPathError, resolveFieldPath } from '#api/custom/field-path.ts'
import { equal } from '#api/equal.ts'
import { duplicate, type FieldError, forbidden, invalid, required, tooMany } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dns1035Label } from '#api/names.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { checkSchemaDefaults } from './schema-defaults.ts'
import { checkSchemaProps } from './schema-props.ts'
import { structuralErrors } from './structural-schema.ts'

type Spec = types.CustomResourceDefinitionSpec
type Version = types.CustomResourceDefinitionVersion

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string']
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password']
const MAX_SELECTABLE = 8
const MAX_WARNING = 256

export function checkVersions(spec: Spec, errors: Errors): void {
  const { versions } = spec
  const storage = 'must have exactly one version marked as storage version'
  if (!versions?.length) return void errors.push(invalid('spec.versions', versions, storage))
  each(versions, 'spec.versions', (version, at) => {
    if (!version.schema?.openAPIV3Schema) errors.push(required(`${at}.schema.openAPIV3Schema`, 'schemas are required'))
  })
  each(versions, 'spec.versions', (version, at) => {
    checkMessages(`${at}.name`, version.name, dns1035Label(version.name ?? ''), errors)
    checkDeprecation(version, `${at}.deprecationWarning`, errors)
  })
  for (const { value, path } of told(versions, 'subresources')) checkSubresources(value, path, errors)
  for (const { value, path } of told(versions, 'additionalPrinterColumns')) each(value, path, (one, at) => checkColumn(one, at, errors))
  for (const { value, path, version } of told(versions, 'selectableFields'))
    checkSelectable(value, version.schema?.openAPIV3Schema, { path, errors })
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    errors.push(invalid('spec.versions', versions, 'must contain unique version names'))
  if (versions.filter((version) => version.storage).length !== 1) errors.push(invalid('spec.versions', versions, storage))
}

/** Every different schema of a definition, where errors about it are told. */
export function schemasOf(spec: Spec): { schema: types.JSONSchemaProps; path: string; status: boolean }[] {
  const at = (path: string) => (path === 'spec.schema' ? 'spec.validation' : path)
  return told(spec.versions, 'schema').flatMap(({ value, path, version }) => {
    const schema = value.openAPIV3Schema
    const shared = path === 'spec.schema'
    const status = shared ? spec.versions.some(({ subresources }) => subresources?.status) : version.subresources?.status !== undefined
    return schema ? [{ schema, path: `${at(path)}.openAPIV3Schema`, status }] : []
  })
}

/** What a version says, or once what all say. */
function told<F extends keyof Version>(
  versions: readonly Version[],
  field: F,
): { value: NonNullable<Version[F]>; path: string; version: Version }[] {
  const first = versions[0]
  const value = first?.[field]
  if (first && isSaid(value) && versions.every((version) => version === first || equal(version[field], value)))
    return [{ value, path: `spec.${field}`, version: first }]
  return versions.flatMap((version, index) => {
    const one = version[field]
    return isSaid(one) ? [{ value: one, path: `spec.versions[${index}].${field}`, version }] : []
  })
}

function isSaid<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)
}

/** What was accepted before is not judged again. */
export function isOld(schema: types.JSONSchemaProps, before: Spec | undefined): boolean {
  return before?.versions.some((version) => equal(version.schema?.openAPIV3Schema, schema)) === true
}

export function* schemaErrors(schema: types.JSONSchemaProps, path: string, status: boolean): Generator<number, FieldError[]> {
  const errors: Errors = []
  if (status) checkRootOfStatus(schema, path, errors)
  if (schema.nullable) errors.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'))
  const props: Errors = []
  yield* checkSchemaProps(schema, { path, errors: props, root: true })
  const tooDeep = props.some(({ message }) => message.includes('schema is nested deeper'))
  const unusual = props.some(({ field }) => UNSUPPORTED.test(field))
  // What no structural schema can be made of is told alone.
  if (!tooDeep && !unusual) errors.push(...(yield* structuralErrors(schema, path)))
  if (errors.length === 0 && props.length === 0) yield* checkSchemaDefaults(schema, path, errors)
  return [...errors, ...props]
}

const UNSUPPORTED = /\.(id|additionalItems|patternProperties|definitions|dependencies|\$ref|uniqueItems)$/
const AT_ROOT =
  'Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations'
const ALLOWED = new Set(AT_ROOT.split(' '))

/** The schema of the status is taken out of the root's properties: nothing said beside them may hold for it. */
function checkRootOfStatus(schema: types.JSONSchemaProps, path: string, errors: Errors): void {
  if (schema.type && schema.type !== 'object')
    errors.push(
      invalid(
        `${path}.type`,
        schema.type,
        'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
      ),
    )
  const goName = (field: string) =>
    field
      .replace(/^x-kubernetes-/, 'x-')
      .split('-')
      .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
      .join('')
  if (Object.entries(schema).some(([field, value]) => isSaid(value) && value !== false && !ALLOWED.has(goName(field))))
    errors.push(
      invalid(path, schema, `only [${AT_ROOT}] fields are allowed at the root of the schema if the status subresource is enabled`),
    )
}

function checkDeprecation({ deprecated, deprecationWarning: warning }: Version, path: string, errors: Errors): void {
  if (warning === undefined) return
  const refuse = (detail: string) => errors.push(invalid(path, warning, detail))
  if (!deprecated) return void refuse('can only be set for deprecated versions')
  if (Buffer.byteLength(warning) > MAX_WARNING) refuse('must be <= 256 characters long')
  if (warning === '') refuse('must not be an empty string')
  const strange = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.exec(warning)
  if (strange)
    refuse(
      `must only contain printable UTF-8 characters; non-printable character found at index ${Buffer.byteLength(warning.slice(0, strange.index))}`,
    )
}

function checkColumn({ name, type, jsonPath, format }: types.CustomResourceColumnDefinition, path: string, errors: Errors): void {
  if (!name) errors.push(required(`${path}.name`))
  if (!type) errors.push(required(`${path}.type`, `must be one of ${COLUMN_TYPES.join(',')}`))
  else if (!COLUMN_TYPES.includes(type)) errors.push(invalid(`${path}.type`, type, `must be one of ${COLUMN_TYPES.join(',')}`))
  if (format && !COLUMN_FORMATS.includes(format))
    errors.push(invalid(`${path}.format`, format, `must be one of ${COLUMN_FORMATS.join(',')}`))
  if (!jsonPath) errors.push(required(`${path}.JSONPath`))
  else checkSimplePath(jsonPath, `${path}.JSONPath`, errors)
}

function checkSimplePath(text: string, path: string, errors: Errors): boolean {
  if (text.startsWith('.')) return true
  errors.push(invalid(path, text, 'must be a simple json path starting with .'))
  return false
}

function checkSelectable(
  fields: readonly types.SelectableField[],
  schema: types.JSONSchemaProps | undefined,
  { path, errors }: { path: string; errors: Errors },
): void {
  if (!schema)
    return void errors.push(invalid(path, '', 'selectableFields may only be set when version.schema.openAPIV3Schema is not included'))
  const seen = new Set<string>()
  each(fields, path, ({ jsonPath }, where) => {
    const at = `${where}.jsonPath`
    if (!jsonPath) return void errors.push(required(at))
    try {
      const found = resolveFieldPath(jsonPath, schema, { brackets: false })
      if (found.first === 'metadata') errors.push(invalid(at, jsonPath, 'must not point to fields in metadata'))
      if (!['string', 'integer', 'boolean'].includes(found.schema.type ?? ''))
        errors.push(
          invalid(
            at,
            jsonPath,
            'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
          ),
        )
      if (seen.has(found.path)) errors.push(duplicate(at, jsonPath))
      seen.add(found.path)
    } catch (error) {
      if (!(error instanceof FieldPathError)) throw error
      errors.push(invalid(at, jsonPath, `is an invalid path: ${error.message}`))
    }
  })
  if (seen.size > MAX_SELECTABLE) errors.push(tooMany(path, seen.size, MAX_SELECTABLE))
}

function checkSubresources({ scale }: types.CustomResourceSubresources, path: string, errors: Errors): void {
  if (!scale) return
  for (const [field, root] of [
    ['specReplicasPath', '.spec'],
    ['statusReplicasPath', '.status'],
  ] as const) {
    const at = `${path}.scale.${field}`
    const value = scale[field]
    if (!value) errors.push(required(at))
    else if (checkSimplePath(value, at, errors) && !value.startsWith(`${root}.`))
      errors.push(invalid(at, value, `should be a json path under ${root}`))
  }
  const selector = scale.labelSelectorPath
  const at = `${path}.scale.labelSelectorPath`
  if (selector && checkSimplePath(selector, at, errors) && !/^\.(?:spec|status)\./.test(selector))
    errors.push(invalid(at, selector, 'should be a json path under either .spec or .status'))
}
