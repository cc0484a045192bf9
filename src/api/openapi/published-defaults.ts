// The defaults that OpenAPI v3 publishes of built-in types: what Go's zero is wherever a field is never absent, and the few that a type names itself.
// Nothing here defaults an object: that is each kind's own affair.
import { definitions } from '#api/definitions.ts'
import type { Schema } from '#api/schema.ts'
import { presenceOf } from '#api/schema/presence.ts'

type Defaults = Readonly<Record<string, unknown>>

const NAME: Defaults = { name: '' }
const CEPH: Defaults = { pool: 'rbd', user: 'admin', keyring: '/etc/ceph/keyring' }
const SCALE_IO: Defaults = { fsType: 'xfs', storageMode: 'ThinProvisioned' }
const INTERFACE: Defaults = { iscsiInterface: 'default' }
const CORE = 'io.k8s.api.core.v1.'

const NAMED: Readonly<Record<string, Defaults>> = {
  AzureDiskVolumeSource: { cachingMode: 'ReadWrite', fsType: 'ext4', kind: 'Shared', readOnly: false },
  ConfigMapEnvSource: NAME,
  ConfigMapKeySelector: NAME,
  ConfigMapProjection: NAME,
  ConfigMapVolumeSource: NAME,
  ContainerPort: { protocol: 'TCP' },
  FileKeySelector: { optional: false },
  ISCSIPersistentVolumeSource: INTERFACE,
  ISCSIVolumeSource: INTERFACE,
  LocalObjectReference: NAME,
  RBDPersistentVolumeSource: CEPH,
  RBDVolumeSource: CEPH,
  ScaleIOPersistentVolumeSource: SCALE_IO,
  ScaleIOVolumeSource: SCALE_IO,
  SecretEnvSource: NAME,
  SecretKeySelector: NAME,
  SecretProjection: NAME,
  ServicePort: { protocol: 'TCP' },
}

/** Of the fields of a built-in definition. */
export function fieldDefaults(definition: string): (field: string, schema: Schema) => unknown {
  const presence = presenceOf(definition)
  const named = definition.startsWith(CORE) ? NAMED[definition.slice(CORE.length)] : undefined
  return (field, schema) => {
    if (named && Object.hasOwn(named, field)) return named[field]
    const always = presence?.always.includes(field) || presence?.held.includes(field)
    return always || field === 'metadata' ? zeroOf(schema) : undefined
  }
}

/** Of what a list or a map holds by value, and of fields that are never absent. */
export function zeroOf({ name, type, format }: Schema): unknown {
  if (name) return isStruct(name) ? {} : undefined
  if (type === 'string') return format === 'byte' ? undefined : ''
  if (type === 'boolean') return false
  return type === 'integer' || type === 'number' ? 0 : undefined
}

const isStruct = (name: string): boolean => {
  const { type, properties } = definitions().get(name) ?? {}
  return type === 'object' && properties !== undefined
}
