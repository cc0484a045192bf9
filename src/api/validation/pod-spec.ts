// The spec of a pod, in pods and templates: everything but what only one of them forbids.
import { duplicate, type FieldError, forbidden, invalid, required, tooLong } from '#api/field-error.ts'
import type { PodSpec } from '#api/generated/types.ts'
import { dnsLabel, dnsSubdomain, dnsSubdomainWithUnderscores, qualifiedName } from '#api/names.ts'
import { validateAffinity, validateNodeLabels, validateTolerations, validateTopologySpread } from './affinity.ts'
import { checkAmong, checkMessages, checkName, each, type Errors } from './checks.ts'
import { type Surroundings, validateContainers, validateEphemeralContainers, validateInitContainers } from './containers.ts'
import { checkEnvironmentFiles } from './environment.ts'
import { ipMessages } from './ip.ts'
import { checkHostProcess, checkOperatingSystem } from './operating-system.ts'
import { validatePodResources } from './pod-resources.ts'
import { validateRequirements } from './resources.ts'
import { validatePodSecurityContext } from './security-context.ts'
import { validateVolumes } from './volumes.ts'

const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const INT32_MAX = 2147483647

interface Of {
  /** Of a pod, and not of a template. */
  pod?: { name?: string | undefined; static: boolean }
  /** Of an update: what was tolerated before. */
  previous?: PodSpec | undefined
}

export function validatePodSpec(spec: PodSpec, path: string, { pod, previous }: Of = {}): FieldError[] {
  if (spec.terminationGracePeriodSeconds === undefined) return [required(`${path}.terminationGracePeriodSeconds`)]
  const { errors, known: volumes } = validateVolumes(spec.volumes, `${path}.volumes`, pod?.name)
  checkClaims(spec, `${path}.resourceClaims`, { errors, ofStaticPod: pod?.static === true })
  const claims = new Set((spec.resourceClaims ?? []).map(({ name }) => name).filter(Boolean))
  const around: Surroundings = { volumes, claims, spec, previous }
  errors.push(
    ...validateContainers(around, `${path}.containers`),
    ...validateInitContainers(around, `${path}.initContainers`),
    ...validateEphemeralContainers(around, `${path}.ephemeralContainers`),
    ...validatePodResources(spec, `${path}.resources`),
  )
  checkHostNetwork(spec, `${path}.containers`, errors)
  checkAmong(`${path}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never'], errors)
  checkAmong(`${path}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES, errors)
  errors.push(
    ...validateNodeLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validatePodSecurityContext(spec, `${path}.securityContext`),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
  )
  checkDns(spec, `${path}.dnsConfig`, errors)
  checkGates(spec, path, errors)
  errors.push(...validateTopologySpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`))
  checkHostProcess(spec, path, errors)
  checkHostUsers(spec, path, errors)
  checkHostnameOverride(spec, path, errors)
  checkNames(spec, path, errors)
  errors.push(...validateRequirements(spec.overhead ? { limits: spec.overhead } : undefined, `${path}.overhead`))
  checkOperatingSystem(spec, path, errors)
  checkEnvironmentFiles(spec, path, errors)
  return errors
}

function checkNames(spec: PodSpec, path: string, errors: Errors): void {
  const check = (field: 'serviceAccountName' | 'nodeName' | 'hostname' | 'subdomain' | 'priorityClassName', form: typeof dnsLabel) => {
    if (spec[field]) checkMessages(`${path}.${field}`, spec[field], form(spec[field]), errors)
  }
  check('serviceAccountName', dnsSubdomain)
  check('nodeName', dnsSubdomain)
  const deadline = spec.activeDeadlineSeconds
  if (deadline !== undefined && (deadline < 1 || deadline > INT32_MAX))
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${INT32_MAX}, inclusive`))
  check('hostname', dnsLabel)
  check('subdomain', dnsLabel)
  errors.push(...validateTolerations(spec.tolerations, `${path}.tolerations`))
  each(spec.hostAliases, `${path}.hostAliases`, ({ ip, hostnames }, at) => {
    checkMessages(`${at}.ip`, ip ?? '', ipMessages(ip ?? ''), errors)
    each(hostnames, `${at}.hostnames`, (name, where) => checkMessages(where, name, dnsSubdomain(name), errors))
  })
  check('priorityClassName', dnsSubdomain)
  const { runtimeClassName: runtime, preemptionPolicy } = spec
  if (runtime !== undefined) checkMessages(`${path}.runtimeClassName`, runtime, dnsSubdomain(runtime), errors)
  if (preemptionPolicy !== undefined) checkAmong(`${path}.preemptionPolicy`, preemptionPolicy, ['PreemptLowerPriority', 'Never'], errors)
}

function checkGates(spec: PodSpec, path: string, errors: Errors): void {
  each(spec.readinessGates, `${path}.readinessGates`, ({ conditionType = '' }, at) =>
    checkMessages(`${at}.conditionType`, conditionType, qualifiedName(conditionType), errors),
  )
  if (!spec.schedulingGates?.length) return
  const seen = new Set<string>()
  each(spec.schedulingGates, `${path}.schedulingGates`, ({ name = '' }, at) => {
    checkMessages(at, name, qualifiedName(name), errors)
    if (seen.has(name)) errors.push(duplicate(at, name))
    seen.add(name)
  })
}

function checkHostNetwork(spec: PodSpec, path: string, errors: Errors): void {
  if (!spec.hostNetwork) return
  each(spec.containers, path, ({ ports }, container) =>
    each(ports, `${container}.ports`, ({ hostPort, containerPort }, at) => {
      if (hostPort && hostPort !== containerPort)
        errors.push(invalid(`${at}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true'))
    }),
  )
}

/** A user namespace of its own goes with no namespace of the host. Upstream spells two of the fields as its structures do. */
function checkHostUsers(spec: PodSpec, path: string, errors: Errors): void {
  if (spec.hostUsers !== false) return
  const message = 'when `hostUsers` is false'
  if (spec.hostNetwork) errors.push(forbidden(`${path}.hostNetwork`, message))
  if (spec.hostPID) errors.push(forbidden(`${path}.HostPID`, message))
  if (spec.hostIPC) errors.push(forbidden(`${path}.HostIPC`, message))
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    each(spec[list], `${path}.${list}`, ({ volumeDevices }, at) => {
      if (volumeDevices?.length) errors.push(forbidden(`${at}.volumeDevices`, message))
    })
}

function checkHostnameOverride(spec: PodSpec, path: string, errors: Errors): void {
  const { hostnameOverride: name } = spec
  if (name === undefined) return
  const at = `${path}.hostnameOverride`
  if (spec.setHostnameAsFQDN) errors.push(forbidden(at, 'may not be specified when setHostnameAsFQDN is true'))
  if (spec.hostNetwork) errors.push(forbidden(at, 'may not be specified when hostNetwork is true'))
  if (name.length > 64) errors.push(tooLong(at, 64))
  checkMessages(at, name, dnsSubdomain(name), errors)
}

function checkDns({ dnsPolicy, dnsConfig }: PodSpec, path: string, errors: Errors): void {
  if (dnsPolicy === 'None') {
    if (!dnsConfig) return void errors.push(required(path, 'must provide `dnsConfig` when `dnsPolicy` is None'))
    if (!dnsConfig.nameservers?.length)
      return void errors.push(required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'))
  }
  const { nameservers = [], searches = [], options } = dnsConfig ?? {}
  if (nameservers.length > 3) errors.push(invalid(`${path}.nameservers`, nameservers, 'must not have more than 3 nameservers'))
  each(nameservers, `${path}.nameservers`, (server, at) => checkMessages(at, server, ipMessages(server), errors))
  if (searches.length > 32) errors.push(invalid(`${path}.searches`, searches, 'must not have more than 32 search paths'))
  if (searches.join(' ').length > 2048)
    errors.push(invalid(`${path}.searches`, searches, 'must not have more than 2048 characters (including spaces) in the search list'))
  each(searches, `${path}.searches`, (search, at) => {
    const name = search.replace(/\.$/, '')
    if (search !== '.') checkMessages(at, name, dnsSubdomainWithUnderscores(name), errors)
  })
  each(options, `${path}.options`, ({ name }, at) => {
    if (!name) errors.push(required(at, 'must not be empty'))
  })
}

function checkClaims(spec: PodSpec, path: string, { errors, ofStaticPod }: { errors: Errors; ofStaticPod: boolean }): void {
  const names = new Set<string>()
  each(spec.resourceClaims, path, (claim, at) => {
    if (ofStaticPod) return void errors.push(forbidden('[]', 'static pods do not support resource claims'))
    if (claim.name && names.has(claim.name)) errors.push(duplicate(`${at}.name`, claim.name))
    else checkName(`${at}.name`, claim.name, dnsLabel, errors)
    names.add(claim.name)
    const { name, resourceClaimName: direct, resourceClaimTemplateName: template } = claim
    // As upstream's structure prints.
    const shown = { Name: name ?? '', ResourceClaimName: direct ?? null, ResourceClaimTemplateName: template ?? null }
    if (direct !== undefined && template !== undefined)
      errors.push(invalid(at, shown, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'))
    if (direct === undefined && template === undefined)
      errors.push(invalid(at, shown, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'))
    if (direct !== undefined) checkMessages(`${at}.resourceClaimName`, direct, dnsSubdomain(direct), errors)
    if (template !== undefined) checkMessages(`${at}.resourceClaimTemplateName`, template, dnsSubdomain(template), errors)
  })
}
