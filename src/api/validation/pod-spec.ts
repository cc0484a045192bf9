// The spec of a pod, in pods and templates: everything but what only one of them forbids.
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type { PodSpec } from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain, qualifiedName } from '#api/names.ts'
import { validateAffinity, validateNodeLabels, validateTolerations, validateTopologySpread } from './affinity.ts'
import { checkMessages, checkName, checkOneOf, checkUnique, each, type Errors } from './checks.ts'
import { validateContainers, validateEphemeralContainers } from './containers.ts'
import { ipMessages } from './ip.ts'
import { checkResourceAmount, validateRequirements } from './resources.ts'
import { validatePodSecurityContext } from './security-context.ts'
import { validateVolumes } from './volumes.ts'

const DNS_POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None']
const INT32_MAX = 2147483647

export function validatePodSpec(spec: PodSpec, path: string): FieldError[] {
  const volumes = new Map(
    (spec.volumes ?? []).map((volume) => [volume.name, { claim: Boolean(volume.persistentVolumeClaim || volume.ephemeral) }]),
  )
  const claims = new Set((spec.resourceClaims ?? []).map(({ name }) => name))
  const around = { volumes, claims, spec }
  const errors = validateVolumes(spec.volumes, `${path}.volumes`)
  errors.push(...validateContainers(around, path))
  errors.push(...validateEphemeralContainers(around, `${path}.ephemeralContainers`))
  checkOneOf(`${path}.restartPolicy`, spec.restartPolicy, ['Always', 'Never', 'OnFailure'], errors, { required: true })
  checkOneOf(`${path}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES, errors, { required: true })
  errors.push(...validateNodeLabels(spec.nodeSelector, `${path}.nodeSelector`))
  errors.push(...validatePodSecurityContext(spec.securityContext, `${path}.securityContext`))
  checkHost(spec, path, errors)
  each(spec.imagePullSecrets, `${path}.imagePullSecrets`, ({ name }, at) => {
    if (!name) errors.push(required(`${at}.name`))
  })
  errors.push(...validateAffinity(spec.affinity, `${path}.affinity`))
  checkDns(spec, `${path}.dnsConfig`, errors)
  each(spec.readinessGates, `${path}.readinessGates`, ({ conditionType = '' }, at) =>
    checkMessages(`${at}.conditionType`, conditionType, qualifiedName(conditionType), errors),
  )
  each(spec.schedulingGates, `${path}.schedulingGates`, ({ name = '' }, at) => checkMessages(at, name, qualifiedName(name), errors))
  checkUnique(spec.schedulingGates, `${path}.schedulingGates`, ({ name }) => name, errors)
  errors.push(...validateTopologySpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`))
  if (spec.serviceAccountName)
    checkMessages(`${path}.serviceAccountName`, spec.serviceAccountName, dnsSubdomain(spec.serviceAccountName), errors)
  if (spec.nodeName) checkMessages(`${path}.nodeName`, spec.nodeName, dnsSubdomain(spec.nodeName), errors)
  const deadline = spec.activeDeadlineSeconds
  if (deadline !== undefined && (deadline < 1 || deadline > INT32_MAX))
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${INT32_MAX}, inclusive`))
  if (spec.hostname) checkMessages(`${path}.hostname`, spec.hostname, dnsLabel(spec.hostname), errors)
  if (spec.subdomain) checkMessages(`${path}.subdomain`, spec.subdomain, dnsLabel(spec.subdomain), errors)
  if (spec.hostnameOverride !== undefined) checkHostnameOverride(spec, path, errors)
  errors.push(...validateTolerations(spec.tolerations, `${path}.tolerations`))
  each(spec.hostAliases, `${path}.hostAliases`, ({ ip, hostnames }, at) => {
    checkMessages(`${at}.ip`, ip, ipMessages(ip ?? ''), errors)
    for (const name of hostnames ?? []) checkMessages(`${at}.hostnames`, name, dnsSubdomain(name), errors)
  })
  if (spec.priorityClassName)
    checkMessages(`${path}.priorityClassName`, spec.priorityClassName, dnsSubdomain(spec.priorityClassName), errors)
  if (spec.runtimeClassName) checkMessages(`${path}.runtimeClassName`, spec.runtimeClassName, dnsSubdomain(spec.runtimeClassName), errors)
  if (spec.preemptionPolicy) checkOneOf(`${path}.preemptionPolicy`, spec.preemptionPolicy, ['Never', 'PreemptLowerPriority'], errors)
  for (const [name, amount] of Object.entries(spec.overhead ?? {})) checkResourceAmount(`${path}.overhead[${name}]`, name, amount, errors)
  if (spec.resources) errors.push(...validateRequirements(spec.resources, `${path}.resources`, claims))
  checkClaims(spec, path, errors)
  if (spec.os) checkOneOf(`${path}.os.name`, spec.os.name, ['linux', 'windows'], errors, { required: true })
  return errors
}

function checkHost(spec: PodSpec, path: string, errors: Errors): void {
  const at = `${path}.securityContext`
  if (spec.shareProcessNamespace && spec.hostPID)
    errors.push(invalid(`${at}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'))
  if (spec.hostUsers === false)
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const)
      if (spec[field]) errors.push(forbidden(`${path}.${field}`, 'when `hostUsers` is false'))
  if (!spec.hostNetwork) return
  for (const list of ['containers', 'initContainers'] as const)
    each(spec[list], `${path}.${list}`, ({ ports }, container) =>
      each(ports, `${container}.ports`, ({ hostPort, containerPort }, where) => {
        if (hostPort && hostPort !== containerPort)
          errors.push(invalid(`${where}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true'))
      }),
    )
}

function checkHostnameOverride(spec: PodSpec, path: string, errors: Errors): void {
  const value = spec.hostnameOverride ?? ''
  checkMessages(`${path}.hostnameOverride`, value, dnsSubdomain(value), errors)
  if (value.length > 64) errors.push(invalid(`${path}.hostnameOverride`, value, 'must be no more than 64 characters'))
  if (spec.setHostnameAsFQDN)
    errors.push(forbidden(`${path}.setHostnameAsFQDN`, '`setHostnameAsFQDN` and `hostnameOverride` cannot be set together'))
  if (spec.hostNetwork) errors.push(forbidden(`${path}.hostNetwork`, 'may not be set when `hostnameOverride` is used'))
}

function checkDns({ dnsPolicy, dnsConfig }: PodSpec, path: string, errors: Errors): void {
  if (dnsPolicy === 'None') {
    if (!dnsConfig) return void errors.push(required(path, 'must provide `dnsConfig` when `dnsPolicy` is None'))
    if (!dnsConfig.nameservers?.length)
      errors.push(required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'))
  }
  if (!dnsConfig) return
  const { nameservers = [], searches = [], options } = dnsConfig
  if (nameservers.length > 3) errors.push(invalid(`${path}.nameservers`, nameservers, 'must not have more than 3 nameservers'))
  each(nameservers, `${path}.nameservers`, (server, at) => checkMessages(at, server, ipMessages(server), errors))
  if (searches.length > 32) errors.push(invalid(`${path}.searches`, searches, 'must not have more than 32 search paths'))
  if (searches.join(' ').length > 2048)
    errors.push(invalid(`${path}.searches`, searches, 'must not have more than 2048 characters (including spaces) in the search list'))
  each(searches, `${path}.searches`, (search, at) => {
    if (search !== '.')
      checkMessages(
        at,
        search,
        dnsSubdomain(
          search
            .replace(/\.$/, '')
            .replaceAll('_', '-')
            .replace(/^-|(?<=\.)-/g, 'a'),
        ),
        errors,
      )
  })
  each(options, `${path}.options`, ({ name }, at) => {
    if (!name) errors.push(required(at, 'must not be empty'))
  })
}

function checkClaims(spec: PodSpec, path: string, errors: Errors): void {
  each(spec.resourceClaims, `${path}.resourceClaims`, (claim, at) => {
    checkName(`${at}.name`, claim.name, dnsLabel, errors)
    const { resourceClaimName: name, resourceClaimTemplateName: template } = claim
    if (name !== undefined && template !== undefined)
      errors.push(invalid(at, claim, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'))
    if (name === undefined && template === undefined)
      errors.push(invalid(at, claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'))
  })
  checkUnique(spec.resourceClaims, `${path}.resourceClaims`, ({ name }) => name, errors, '.name')
}
