// The spec of a PersistentVolume, alone and inline in a VolumeAttachment. In upstream's order and words.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type { PersistentVolumeSpec, SecretReference } from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain } from '#api/names.ts'
import { quantityOf } from '#api/quantity.ts'
import { validateNodeSelector } from './affinity.ts'
import { checkMessages, checkName, checkRequired, type Errors, presentMembers } from './checks.ts'
import { checkModes } from './claim-spec.ts'
import { backStepMessages } from './paths.ts'
import { checkQuantity } from './resources.ts'
import {
  checkAzureDisk,
  checkDisk,
  checkDriverName,
  checkFc,
  checkFlex,
  checkFlocker,
  checkHostPath,
  checkIscsi,
  checkNfs,
  checkQuobyte,
  checkStorageOs,
} from './volume-sources.ts'

const INLINE = 'in the context of inline volumes'

type Check<S> = (source: S, path: string, errors: Errors) => void
type Sources = { [K in keyof PersistentVolumeSpec]?: Check<NonNullable<PersistentVolumeSpec[K]>> }

/** In the order in which a second source is refused. */
const SOURCES = {
  hostPath: checkHostPath,
  gcePersistentDisk: ({ pdName, partition }, path, errors) => checkDisk(path, ['pdName', pdName], partition, errors),
  awsElasticBlockStore: ({ volumeID, partition }, path, errors) => checkDisk(path, ['volumeID', volumeID], partition, errors),
  glusterfs: ({ endpoints, path: target, endpointsNamespace: namespace }, path, errors) => {
    checkRequired(`${path}.endpoints`, endpoints, errors)
    checkRequired(`${path}.path`, target, errors)
    const unnamed = ['if the endpointnamespace is set, it must be a valid namespace name']
    if (namespace !== undefined) checkMessages(`${path}.endpointsNamespace`, namespace, namespace ? dnsLabel(namespace) : unnamed, errors)
  },
  flocker: checkFlocker,
  nfs: checkNfs,
  rbd: ({ monitors, image }, path, errors) => {
    checkRequired(`${path}.monitors`, monitors, errors)
    checkRequired(`${path}.image`, image, errors)
  },
  quobyte: checkQuobyte,
  cephfs: ({ monitors }, path, errors) => void checkRequired(`${path}.monitors`, monitors, errors),
  iscsi: (source, path, errors) => {
    checkIscsi(source, path, errors, 'must be valid format')
    if (source.secretRef) checkRequired(`${path}.secretRef.name`, source.secretRef.name, errors)
  },
  cinder: ({ volumeID, secretRef }, path, errors) => {
    checkRequired(`${path}.volumeID`, volumeID, errors)
    if (secretRef) checkReferenced(secretRef, `${path}.secretRef`, errors)
  },
  fc: checkFc,
  flexVolume: checkFlex,
  azureFile: ({ secretName, shareName, secretNamespace }, path, errors) => {
    checkRequired(`${path}.secretName`, secretName, errors)
    checkRequired(`${path}.shareName`, shareName, errors)
    if (secretNamespace === '') errors.push(required(`${path}.secretNamespace`))
  },
  vsphereVolume: ({ volumePath }, path, errors) => void checkRequired(`${path}.volumePath`, volumePath, errors),
  photonPersistentDisk: ({ pdID }, path, errors) => void checkRequired(`${path}.pdID`, pdID, errors),
  portworxVolume: ({ volumeID }, path, errors) => void checkRequired(`${path}.volumeID`, volumeID, errors),
  azureDisk: checkAzureDisk,
  scaleIO: ({ gateway, system, volumeName }, path, errors) => {
    checkRequired(`${path}.gateway`, gateway, errors)
    checkRequired(`${path}.system`, system, errors)
    checkRequired(`${path}.volumeName`, volumeName, errors)
  },
  local: ({ path: target }, path, errors) => {
    if (checkRequired(`${path}.path`, target, errors)) checkMessages(`${path}.path`, target, backStepMessages(target), errors)
  },
  storageos: (source, path, errors) => {
    checkStorageOs(source, path, errors)
    if (source.secretRef) checkRequired(`${path}.secretRef.namespace`, source.secretRef.namespace, errors)
  },
  csi: (source, path, errors) => {
    checkDriverName(`${path}.driver`, source.driver, errors)
    checkRequired(`${path}.volumeHandle`, source.volumeHandle, errors)
    for (const field of ['controllerPublish', 'controllerExpand', 'nodePublish', 'nodeExpand'] as const)
      checkSecret(source[`${field}SecretRef`], `${path}.${field}SecretRef`, errors)
  },
} satisfies Sources

type Source = keyof typeof SOURCES
export const VOLUME_SOURCES = Object.keys(SOURCES) as Source[]

/** Paths that upstream spells differently: of the fields of a source, and of one that is refused. */
const SPELLED: Record<string, string> = { gcePersistentDisk: 'persistentDisk' }
const REFUSED: Record<string, string> = { cephfs: 'cephFS' }

/** `name`: of the volume, none of an inline one. */
export function validateVolumeSpec(spec: PersistentVolumeSpec, path: string, { name }: { name?: string } = {}): FieldError[] {
  const errors: Errors = []
  const inline = name === undefined
  if (inline) checkInline(spec, path, errors)
  if (!spec.accessModes?.length) errors.push(required(`${path}.accessModes`))
  checkModes(spec.accessModes, `${path}.accessModes`, errors)
  if (!inline) checkCapacity(spec.capacity, `${path}.capacity`, errors)
  checkReclaim(spec.persistentVolumeReclaimPolicy, `${path}.persistentVolumeReclaimPolicy`, { inline, errors })
  if (spec.nodeAffinity && inline) errors.push(forbidden(`${path}.nodeAffinity`, `may not be specified ${INLINE}`))
  else if (spec.nodeAffinity) {
    const at = `${path}.nodeAffinity.required`
    if (spec.nodeAffinity.required) errors.push(...validateNodeSelector(spec.nodeAffinity.required, at))
    else errors.push(required(at, 'must specify required node constraints'))
  }
  checkSource(spec, path, { name: name ?? '', inline, errors })
  checkClasses(spec, path, { inline, errors })
  return errors
}

function checkInline(spec: PersistentVolumeSpec, path: string, errors: Errors): void {
  if (spec.claimRef) errors.push(forbidden(`${path}.claimRef`, `may not be specified ${INLINE}`))
  if (Object.keys(spec.capacity ?? {}).length > 0) errors.push(forbidden(`${path}.capacity`, `may not be specified ${INLINE}`))
  if (!spec.csi) errors.push(required(`${path}.csi`, `has to be specified ${INLINE}`))
}

function checkCapacity(capacity: Record<string, string> | undefined, path: string, errors: Errors): void {
  const names = Object.keys(capacity ?? {})
  if (names.length === 0) errors.push(required(path))
  if (names.length !== 1 || names[0] !== 'storage') errors.push(notSupported(path, capacity ?? null, ['storage']))
  for (const [name, amount] of Object.entries(capacity ?? {})) {
    const at = `${path}[${name}]`
    if (!checkQuantity(at, amount, errors)) continue
    const size = quantityOf(amount)
    if (size.value() < 0) errors.push(invalid(at, size.value(), 'must be a valid resource quantity'))
    if (size.sign <= 0) errors.push(invalid(at, size.toString(), 'must be greater than zero'))
  }
}

interface Within {
  inline: boolean
  errors: Errors
}

function checkReclaim(policy: string | undefined, path: string, { inline, errors }: Within): void {
  if (!policy) return
  if (inline) {
    if (policy !== 'Retain') errors.push(forbidden(path, `may only be Retain ${INLINE}`))
  } else if (!['Delete', 'Recycle', 'Retain'].includes(policy)) errors.push(notSupported(path, policy, ['Delete', 'Recycle', 'Retain']))
}

function checkSource(spec: PersistentVolumeSpec, path: string, { name, inline, errors }: Within & { name: string }): void {
  const given = presentMembers(spec, VOLUME_SOURCES)
  for (const [index, source] of given.entries()) {
    // Upstream takes a flexible volume beside another.
    if (index > 0 && source !== 'flexVolume') {
      errors.push(forbidden(`${path}.${REFUSED[source] ?? source}`, 'may not specify more than 1 volume type'))
      continue
    }
    const wrong: Errors = []
    ;(SOURCES[source] as Check<unknown>)(spec[source], `${path}.${SPELLED[source] ?? source}`, wrong)
    if (source === 'iscsi') checkPortalLength(spec.iscsi!, `${path}.iscsi`, { name, errors: wrong })
    errors.push(...wrong)
    if (source === 'local' && (!spec.nodeAffinity || inline))
      errors.push(required(`${path}.nodeAffinity`, 'Local volume requires node affinity'))
  }
  if (given.length === 0) errors.push(required(path, 'must specify a volume type'))
  if (/^\/(?:\.?\/)*\.?$/.test(spec.hostPath?.path ?? '') && spec.persistentVolumeReclaimPolicy === 'Recycle')
    errors.push(forbidden(`${path}.persistentVolumeReclaimPolicy`, "may not be 'recycle' for a hostPath mount of '/'"))
}

function checkPortalLength(
  { initiatorName, targetPortal = '' }: NonNullable<PersistentVolumeSpec['iscsi']>,
  path: string,
  { name, errors }: { name: string; errors: Errors },
): void {
  if (initiatorName === undefined || `${name}:${targetPortal}`.length <= 64) return
  const error = invalid(
    `${path}.targetportal`,
    targetPortal,
    'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.',
  )
  errors.splice(targetPortal ? 0 : 1, 0, error)
}

function checkClasses(spec: PersistentVolumeSpec, path: string, { inline, errors }: Within): void {
  const { storageClassName: storage, volumeMode: mode, volumeAttributesClassName: attributes } = spec
  if (storage && inline) errors.push(forbidden(`${path}.storageClassName`, `may not be specified ${INLINE}`))
  else if (storage) checkMessages(`${path}.storageClassName`, storage, dnsSubdomain(storage), errors)
  if (mode !== undefined && inline) {
    if (mode !== 'Filesystem') errors.push(forbidden(`${path}.volumeMode`, `may not specify volumeMode other than Filesystem ${INLINE}`))
  } else if (mode !== undefined && mode !== 'Block' && mode !== 'Filesystem')
    errors.push(notSupported(`${path}.volumeMode`, mode, ['Block', 'Filesystem']))
  // Inline volumes have no classes of attributes.
  if (attributes === undefined || inline) return
  const at = `${path}.volumeAttributesClassName`
  if (attributes === '') errors.push(required(at, 'an empty string is disallowed'))
  else checkMessages(at, attributes, dnsSubdomain(attributes), errors)
  if (!spec.csi) errors.push(required(`${path}.csi`, 'has to be specified when using volumeAttributesClassName'))
}

function checkReferenced({ name, namespace }: SecretReference, path: string, errors: Errors): void {
  checkRequired(`${path}.name`, name, errors)
  checkRequired(`${path}.namespace`, namespace, errors)
}

function checkSecret(reference: SecretReference | undefined, path: string, errors: Errors): void {
  if (!reference) return
  checkName(`${path}.name`, reference.name, dnsSubdomain, errors)
  checkName(`${path}.namespace`, reference.namespace, dnsLabel, errors)
}
