// Rules every object's metadata obeys, on create and on update. Whether a resourceVersion must be given is the server's question, not asked here.
import { equal } from '#api/equal.ts'
import { type FieldError, forbidden, invalid, notSupported, required, tooLong } from '#api/field-error.ts'
import type { Kind } from '#api/kind.ts'
import { dnsLabel, dnsSubdomain, forNames, labelValueMessages, type NameCheck, qualifiedName } from '#api/names.ts'
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from '#api/object.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '#api/well-known.ts'

const ANNOTATIONS_LIMIT = 256 * 1024
const DEFAULT_NAME: NameCheck = forNames(dnsSubdomain)
const STANDARD_FINALIZERS = ['kubernetes', ORPHAN_FINALIZER, FOREGROUND_FINALIZER]

type Named = Pick<Kind, 'scope' | 'validateName' | 'standardFinalizers'>

/** On create, after a name was generated. */
export function validateObjectMeta(kind: Named, meta: ObjectMeta, path = 'metadata'): FieldError[] {
  const errors: FieldError[] = []
  const checkName = kind.validateName ?? DEFAULT_NAME
  if (meta.generateName)
    for (const message of checkName(meta.generateName, true)) errors.push(invalid(`${path}.generateName`, meta.generateName, message))
  if (!meta.name) errors.push(required(`${path}.name`, 'name or generateName is required'))
  else for (const message of checkName(meta.name, false)) errors.push(invalid(`${path}.name`, meta.name, message))
  if (kind.scope === 'Namespaced') {
    if (!meta.namespace) errors.push(required(`${path}.namespace`))
    else for (const message of dnsLabel(meta.namespace)) errors.push(invalid(`${path}.namespace`, meta.namespace, message))
  } else if (meta.namespace) errors.push(forbidden(`${path}.namespace`, 'not allowed on this type'))
  if ((meta.generation ?? 0) < 0) errors.push(invalid(`${path}.generation`, meta.generation, 'must be greater than or equal to 0'))
  validateChangeable(errors, meta, path)
  if (meta.finalizers) errors.push(...validateStandardFinalizers(kind, meta.finalizers, `${path}.finalizers`))
  return errors
}

export function validateObjectMetaUpdate(next: ObjectMeta, previous: ObjectMeta, kind: Partial<Named> = {}): FieldError[] {
  const path = 'metadata'
  const errors: FieldError[] = []
  if (previous.deletionTimestamp) {
    const added = [...new Set(next.finalizers ?? [])].filter((one) => !previous.finalizers?.includes(one)).toSorted()
    const shown = `[]string{${added.map((one) => JSON.stringify(one)).join(', ')}}`
    if (added.length > 0)
      errors.push(
        forbidden(`${path}.finalizers`, `no new finalizers can be added if the object is being deleted, found new finalizers ${shown}`),
      )
  }
  if ((next.generation ?? 0) < (previous.generation ?? 0))
    errors.push(invalid(`${path}.generation`, next.generation ?? 0, 'must not be decremented'))
  for (const field of UNCHANGEABLE) {
    if (next[field] !== previous[field] && !sameJson(next[field] ?? undefined, previous[field] ?? undefined))
      errors.push(invalid(`${path}.${field}`, next[field], 'field is immutable'))
  }
  validateChangeable(errors, next, path, previous)
  if (next.finalizers) errors.push(...validateStandardFinalizers(kind, next.finalizers, `${path}.finalizers`))
  return errors
}

const UNCHANGEABLE = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const

/** Labels as they stand in metadata, selectors' matchLabels and pod templates. */
export function validateLabels(labels: Record<string, string> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const message of qualifiedName(key)) errors.push(invalid(path, key, message))
    for (const message of labelValueMessages(value)) errors.push(invalid(path, value, message))
  }
  return errors
}

function validateAnnotations(annotations: Record<string, string> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  let size = 0
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const message of qualifiedName(key.toLowerCase())) errors.push(invalid(path, key, message))
    size += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (size > ANNOTATIONS_LIMIT) errors.push(tooLong(path, ANNOTATIONS_LIMIT))
  return errors
}

/** Labels and annotations of a pod template, whose paths upstream shortens; its other metadata is ignored. */
export function validateTemplateMeta(meta: ObjectMeta | undefined, path: string): FieldError[] {
  return [...validateLabels(meta?.labels, `${path}.labels`), ...validateAnnotations(meta?.annotations, `${path}.annotations`)]
}

/** Metadata of a claim to be made: labels and annotations, and nothing else. */
export function validateTemplateObjectMeta(meta: ObjectMeta | undefined, path: string): FieldError[] {
  const errors = [...validateAnnotations(meta?.annotations, `${path}.annotations`), ...validateLabels(meta?.labels, `${path}.labels`)]
  for (const [field, value] of Object.entries(meta ?? {})) {
    if (field === 'labels' || field === 'annotations' || value === null || value === '' || value === 0) continue
    errors.push(forbidden(`${path}.${field === 'uid' ? 'uID' : field}`, 'cannot be set'))
  }
  return errors
}

/** What is the very same as before was found in order when it was written. */
function validateChangeable(errors: FieldError[], meta: ObjectMeta, path: string, previous: ObjectMeta = {}): void {
  const { labels, annotations, ownerReferences, finalizers, managedFields } = meta
  if (!equal(labels, previous.labels)) errors.push(...validateLabels(labels, `${path}.labels`))
  if (!equal(annotations, previous.annotations)) errors.push(...validateAnnotations(annotations, `${path}.annotations`))
  if (!equal(ownerReferences, previous.ownerReferences)) errors.push(...validateOwnerReferences(ownerReferences, `${path}.ownerReferences`))
  if (!equal(finalizers, previous.finalizers)) errors.push(...validateFinalizers(finalizers, `${path}.finalizers`))
  if (managedFields !== previous.managedFields)
    errors.push(...validateManagedFields(managedFields, `${path}.managedFields`, previous.managedFields))
}

function validateOwnerReferences(owners: OwnerReference[] | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  let controller = ''
  for (const owner of owners ?? []) {
    const { apiVersion = '', kind = '', name = '', uid = '' } = owner
    if (!apiVersion || apiVersion.endsWith('/')) errors.push(invalid(`${path}.apiVersion`, apiVersion, 'version must not be empty'))
    if (!kind) errors.push(invalid(`${path}.kind`, kind, 'must not be empty'))
    if (!name) errors.push(invalid(`${path}.name`, name, 'must not be empty'))
    if (!uid) errors.push(invalid(`${path}.uid`, uid, 'must not be empty'))
    if (apiVersion === 'v1' && kind === 'Event') errors.push(invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner'))
    if (!owner.controller) continue
    const spelled = `${kind}/${name}`
    if (controller)
      errors.push(
        invalid(
          path,
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${spelled}`,
        ),
      )
    else controller = spelled
  }
  return errors
}

function validateFinalizers(finalizers: string[] | undefined, path: string): FieldError[] {
  const errors = (finalizers ?? []).flatMap((one) => qualifiedName(one).map((message) => invalid(path, one, message)))
  if (finalizers?.includes(ORPHAN_FINALIZER) && finalizers.includes(FOREGROUND_FINALIZER))
    errors.push(invalid(path, finalizers, `finalizer ${ORPHAN_FINALIZER} and ${FOREGROUND_FINALIZER} cannot be both set`))
  return errors
}

function validateStandardFinalizers({ standardFinalizers }: Partial<Named>, finalizers: string[] | undefined, path: string): FieldError[] {
  if (!standardFinalizers) return []
  return (finalizers ?? []).flatMap((one, index) => (isStandardFinalizer(one) ? [] : [invalid(`${path}[${index}]`, one, NOT_STANDARD)]))
}

export const isStandardFinalizer = (name: string) => name.includes('/') || STANDARD_FINALIZERS.includes(name)
export const NOT_STANDARD = 'name is neither a standard finalizer name nor is it fully qualified'

function validateManagedFields(
  entries: ManagedFieldsEntry[] | undefined,
  path: string,
  previous: readonly ManagedFieldsEntry[] = [],
): FieldError[] {
  return (entries ?? []).flatMap((entry, index) => {
    if (previous.some((one) => one === entry || isOfOne(one, entry))) return []
    const at = `${path}[${index}]`
    const errors: FieldError[] = []
    if (entry.operation !== 'Apply' && entry.operation !== 'Update')
      errors.push(invalid(`${at}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`'))
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1')
      errors.push(invalid(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'))
    errors.push(...validateFieldManager(entry.manager, `${at}.manager`))
    if (Buffer.byteLength(entry.subresource ?? '') > 256) errors.push(tooLong(`${at}.subresource`, 256))
    return errors
  })
}

/** All that is looked at here is the same. */
function isOfOne(left: ManagedFieldsEntry, right: ManagedFieldsEntry): boolean {
  return (
    left.manager === right.manager &&
    left.operation === right.operation &&
    left.fieldsType === right.fieldsType &&
    left.subresource === right.subresource
  )
}

export function validateFieldManager(manager: string | undefined, path: string): FieldError[] {
  if (!manager) return []
  const errors = Buffer.byteLength(manager) > 128 ? [tooLong(path, 128)] : []
  const bad = /[\p{C}\p{Zl}\p{Zp}]/u.exec(manager)
  if (bad) {
    const code = bad[0].codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
    errors.push(invalid(path, manager, `invalid character U+${code} (at position ${Buffer.byteLength(manager.slice(0, bad.index))})`))
  }
  return errors
}

interface Condition {
  type?: string
  status?: string
  observedGeneration?: number
  lastTransitionTime?: string | null
  reason?: string
  message?: string
}

/** metav1.Condition as newer kinds hold it. */
export function validateConditions(conditions: readonly Condition[] | null | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [index, condition] of (conditions ?? []).entries()) {
    const at = `${path}[${index}]`
    const { type = '', status = '', reason = '' } = condition
    if (seen.has(type))
      errors.push({ type: 'FieldValueDuplicate', field: `${at}.type`, message: `Duplicate value: ${JSON.stringify(type)}` })
    seen.add(type)
    for (const message of qualifiedName(type)) errors.push(invalid(`${at}.type`, type, message))
    if (!['True', 'False', 'Unknown'].includes(status)) errors.push(notSupported(`${at}.status`, status, ['False', 'True', 'Unknown']))
    if ((condition.observedGeneration ?? 0) < 0)
      errors.push(invalid(`${at}.observedGeneration`, condition.observedGeneration, 'must be greater than or equal to zero'))
    if (!condition.lastTransitionTime) errors.push(required(`${at}.lastTransitionTime`, 'must be set'))
    if (!reason) errors.push(required(`${at}.reason`, 'must be set'))
    if (Buffer.byteLength(reason) > 1024) errors.push(tooLong(`${at}.reason`, 1024))
    if (Buffer.byteLength(condition.message ?? '') > 32 * 1024) errors.push(tooLong(`${at}.message`, 32 * 1024))
  }
  return errors
}
