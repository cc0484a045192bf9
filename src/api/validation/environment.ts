// Environment of a container: names, and the one source each value has.
import { type FieldError, invalid, notFound, notSupported, required } from '#api/field-error.ts'
import type { Container, EnvVarSource, ObjectFieldSelector, PodSpec, ResourceFieldSelector } from '#api/generated/types.ts'
import { configMapKey, dnsLabel, dnsSubdomain, envVarName, qualifiedName } from '#api/names.ts'
import { isQuantity, quantityOf } from '#api/quantity.ts'
import { checkMessages, checkName, each, type Errors, presentMembers } from './checks.ts'
import { backStepMessages } from './paths.ts'

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
export const VOLUME_FIELDS = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid']
/** What the conversion of field labels knows, whether or not it may be used here. */
const KNOWN_FIELDS = [...ENV_FIELDS, ...VOLUME_FIELDS, 'spec.restartPolicy', 'spec.schedulerName', 'status.phase']
const RESOURCES = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]
const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']
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
    // Upstream names the list here, not the item.
    if (!configMapRef && !secretRef) errors.push(invalid(`${path}.envFrom`, '', 'must specify one of: `configMapRef` or `secretRef`'))
    if (configMapRef && secretRef) errors.push(invalid(`${path}.envFrom`, '', 'may not have more than one field specified at a time'))
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
  if (source.fileKeyRef) {
    const { key, volumeName, path: file } = source.fileKeyRef
    checkName(`${path}.fileKeyRef.key`, key, envVarName, errors)
    checkName(`${path}.fileKeyRef.volumeName`, volumeName, dnsLabel, errors)
    checkName(`${path}.fileKeyRef.path`, file, backStepMessages, errors)
  }
  if (given.length === 0)
    errors.push(invalid(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'))
  else if (value) errors.push(invalid(path, '', 'may not be specified when `value` is not empty'))
  else if (given.length > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
}

/** Files of environment come from volumes that containers write themselves. */
export function checkEnvironmentFiles(spec: PodSpec, path: string, errors: Errors): void {
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [index, { env }] of (spec[list] ?? []).entries())
      each(env, `${path}.${list}[${index}].env`, ({ valueFrom }, at) => {
        if (!valueFrom?.fileKeyRef) return
        const { volumeName } = valueFrom.fileKeyRef
        const where = `${at}.valueFrom.fileKeyRef.volumeName`
        const volume = spec.volumes?.find(({ name }) => name === volumeName)
        if (!volume) errors.push(notFound(where, volumeName))
        else if (!volume.emptyDir) errors.push(invalid(where, volumeName, 'referenced volume must be of type emptyDir'))
      })
}

export function checkFieldRef(ref: ObjectFieldSelector, path: string, allowed: readonly string[], errors: Errors): void {
  const { apiVersion, fieldPath = '' } = ref
  if (!apiVersion) return void errors.push(required(`${path}.apiVersion`))
  if (!fieldPath) return void errors.push(required(`${path}.fieldPath`))
  const refuse = (why: string) =>
    void errors.push(invalid(`${path}.fieldPath`, fieldPath, `error converting fieldPath: ${why}: ${fieldPath}`))
  const [, field, subscript] = /^([^[]+)\['(.*)'\]$/.exec(fieldPath) ?? []
  if (field !== undefined && subscript !== undefined) {
    if (field === 'metadata.labels') checkMessages(path, subscript, qualifiedName(subscript), errors)
    else if (field === 'metadata.annotations') checkMessages(path, subscript, qualifiedName(subscript.toLowerCase()), errors)
    else refuse('field label does not support subscript')
  } else if (!KNOWN_FIELDS.includes(fieldPath)) refuse('field label not supported')
  else if (!allowed.includes(fieldPath)) errors.push(notSupported(`${path}.fieldPath`, fieldPath, allowed))
}

/** In a volume the container must be named; in a container's own environment it need not. */
export function checkResourceFieldRef(ref: ResourceFieldSelector, path: string, errors: Errors, inVolume = false): void {
  const { resource = '', divisor } = ref
  if (inVolume && !ref.containerName) errors.push(required(`${path}.containerName`))
  else if (!resource) errors.push(required(`${path}.resource`))
  else if (!RESOURCES.includes(resource) && !/^(limits|requests)\.hugepages-/.test(resource))
    errors.push(notSupported(`${path}.resource`, resource, RESOURCES))
  if (!isQuantity(divisor) || quantityOf(divisor).sign === 0) return
  const [, name = ''] = /^(?:limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-)/.exec(resource) ?? []
  const [allowed, called] = DIVISORS[name] ?? []
  if (!allowed || allowed.includes(quantityOf(divisor).toString())) return
  const listed = name === 'cpu' ? '1m and 1' : allowed.join(', ')
  errors.push(invalid(`${path}.divisor`, resource, `only divisor's values ${listed} are supported with the ${called} resource`))
}

const DIVISORS: Record<string, [allowed: string[], called: string]> = {
  cpu: [['1m', '1'], 'cpu'],
  memory: [BYTE_DIVISORS, 'memory'],
  'ephemeral-storage': [BYTE_DIVISORS, 'local ephemeral storage'],
  'hugepages-': [BYTE_DIVISORS, 'hugepages'],
}
