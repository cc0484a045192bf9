// Environment of a container: names, and the one source each value has.
import { type FieldError, invalid, notSupported, required } from '#api/field-error.ts'
import type { Container, EnvVarSource, ObjectFieldSelector, ResourceFieldSelector } from '#api/generated/types.ts'
import { configMapKey, dnsSubdomain, envVarName, qualifiedName } from '#api/names.ts'
import { checkMessages, checkName, each, type Errors, presentMembers } from './checks.ts'

const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]
export const VOLUME_FIELDS = ['metadata.name', 'metadata.namespace', 'metadata.labels', 'metadata.annotations', 'metadata.uid']
const RESOURCES = [
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
]
const SOURCES = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const

export function validateEnvironment({ env, envFrom }: Pick<Container, 'env' | 'envFrom'>, path: string): FieldError[] {
  const errors: FieldError[] = []
  each(env, `${path}.env`, ({ name, value, valueFrom }, at) => {
    checkName(`${at}.name`, name, envVarName, errors)
    if (valueFrom) checkSource(valueFrom, value ?? '', `${at}.valueFrom`, errors)
  })
  each(envFrom, `${path}.envFrom`, ({ prefix, configMapRef, secretRef }, at) => {
    if (prefix) checkMessages(`${at}.prefix`, prefix, envVarName(prefix), errors)
    if (configMapRef) checkName(`${at}.configMapRef.name`, configMapRef.name, dnsSubdomain, errors)
    if (secretRef) checkName(`${at}.secretRef.name`, secretRef.name, dnsSubdomain, errors)
    if (!configMapRef && !secretRef) errors.push(invalid(at, '', 'must specify one of: `configMapRef` or `secretRef`'))
    if (configMapRef && secretRef) errors.push(invalid(at, '', 'may not have more than one field specified at a time'))
  })
  return errors
}

function checkSource(source: EnvVarSource, value: string, path: string, errors: Errors): void {
  const given = presentMembers(source, SOURCES)
  if (source.fieldRef) checkFieldRef(source.fieldRef, `${path}.fieldRef`, ENV_FIELDS, errors)
  if (source.resourceFieldRef) checkResourceFieldRef(source.resourceFieldRef, `${path}.resourceFieldRef`, errors)
  for (const member of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = source[member]
    if (!ref) continue
    checkMessages(`${path}.${member}.name`, ref.name ?? '', dnsSubdomain(ref.name ?? ''), errors)
    checkName(`${path}.${member}.key`, ref.key, configMapKey, errors)
  }
  if (given.length === 0)
    errors.push(invalid(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'))
  else if (value) errors.push(invalid(path, '', 'may not be specified when `value` is not empty'))
  else if (given.length > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
}

export function checkFieldRef(ref: ObjectFieldSelector, path: string, allowed: readonly string[], errors: Errors): void {
  const { apiVersion, fieldPath = '' } = ref
  if (!apiVersion) return void errors.push(required(`${path}.apiVersion`))
  if (!fieldPath) return void errors.push(required(`${path}.fieldPath`))
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath)
  if (keyed) checkMessages(path, keyed[2], qualifiedName(keyed[1] === 'labels' ? keyed[2]! : keyed[2]!.toLowerCase()), errors)
  else if (!allowed.includes(fieldPath)) {
    const known = [...ENV_FIELDS, ...VOLUME_FIELDS].includes(fieldPath)
    errors.push(
      known
        ? notSupported(`${path}.fieldPath`, fieldPath, allowed.toSorted())
        : invalid(`${path}.fieldPath`, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`),
    )
  }
}

/** In a volume the container must be named; in a container's own environment it need not. */
export function checkResourceFieldRef(ref: ResourceFieldSelector, path: string, errors: Errors, inVolume = false): void {
  if (inVolume && !ref.containerName) errors.push(required(`${path}.containerName`))
  if (!ref.resource) errors.push(required(`${path}.resource`))
  else if (!RESOURCES.includes(ref.resource) && !/^(limits|requests)\.hugepages-/.test(ref.resource))
    errors.push(notSupported(`${path}.resource`, ref.resource, RESOURCES.toSorted()))
}
