// What /status may say of a pod: nothing that did not happen, and nothing back from the dead.
import { duplicate, type FieldError, forbidden, invalid, notSupported } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { dnsSubdomain, qualifiedName } from '#api/names.ts'
import { checkImmutable, checkMessages, checkRange, each, type Errors } from '#api/validation/checks.ts'
import { familyOf, ipMessages } from '#api/validation/ip.ts'
import { validatePodAnnotationsUpdate } from '#api/validation/pod-annotations.ts'

type Pod = types.Pod
type PodSpec = types.PodSpec

const SYSTEM_CONDITIONS = ['PodScheduled', 'Ready', 'Initialized']
const IDS = [0, 2147483647] as const
const NOT_NEGATIVE = 'must be a non-negative integer'
const LISTS = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const

export function validatePodStatus(next: Pod, previous: Pod): FieldError[] {
  const errors = validatePodAnnotationsUpdate(next.metadata?.annotations, previous.metadata?.annotations, 'metadata.annotations')
  const [status, old] = [next.status ?? {}, previous.status ?? {}]
  each(status.conditions, 'status.conditions', ({ type = '', observedGeneration = 0 }, at) => {
    if (observedGeneration < 0) errors.push(invalid(`${at}.observedGeneration`, observedGeneration, NOT_NEGATIVE))
    if (!SYSTEM_CONDITIONS.includes(type)) checkMessages(`${at}.Type`, type, qualifiedName(type), errors)
  })
  if (next.spec?.nodeName !== previous.spec?.nodeName) errors.push(forbidden('status.nodeName', 'may not be changed directly'))
  const nominated = status.nominatedNodeName
  if (nominated && nominated !== old.nominatedNodeName) {
    checkMessages('status.nominatedNodeName', nominated, dnsSubdomain(nominated), errors)
    if (previous.spec?.nodeName)
      errors.push(forbidden('status.nominatedNodeName', 'may not be set on pods that are already bound to a node'))
  }
  const { observedGeneration = 0 } = status
  if (observedGeneration < 0) errors.push(invalid('status.observedGeneration', observedGeneration, NOT_NEGATIVE))
  checkImmutable('status.qosClass', status.qosClass ?? '', old.qosClass ?? '', errors)
  checkTransitions(status, previous, errors)
  checkClaimStatuses(status, next.spec, errors)
  checkAddresses('podIPs', status.podIPs, old.podIPs, errors)
  if (status.hostIPs?.length && status.hostIP !== status.hostIPs[0]!.ip)
    errors.push(invalid('status.hostIPs[0].ip', status.hostIPs[0]!.ip ?? '', 'must be equal to `hostIP`'))
  checkAddresses('hostIPs', status.hostIPs, old.hostIPs, errors)
  checkUsers(status, next.spec, errors)
  checkHealth(status, next.spec, errors)
  return errors
}

/** What has ended stays ended, unless its restart policy or a rule of it may have started it anew. */
function checkTransitions(status: types.PodStatus, { spec, status: old = {} }: Pod, errors: Errors): void {
  const regular = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
  const all = regular.some(({ restartPolicyRules }) => restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'))
  for (const list of LISTS) {
    if (all && list !== 'ephemeralContainerStatuses') continue
    const declared = list === 'containerStatuses' ? spec?.containers : list === 'initContainerStatuses' ? spec?.initContainers : []
    each(old[list], `status.${list}`, ({ name, state }, at) => {
      const now = status[list]?.find((one) => one.name === name)
      if (!state?.terminated || !now || now.state?.terminated) return
      const container = declared?.find((one) => one.name === name)
      if (!container || !mayRestart(container, spec!, state.terminated.exitCode ?? 0))
        errors.push(forbidden(`${at}.state`, 'may not be transitioned to non-terminated state'))
    })
  }
}

function mayRestart({ restartPolicy, restartPolicyRules = [] }: types.Container, spec: PodSpec, exitCode: number): boolean {
  for (const { action, exitCodes } of restartPolicyRules) {
    const listed = exitCodes?.values?.includes(exitCode) ?? false
    if (action === 'Restart' && exitCodes && listed === (exitCodes.operator === 'In')) return true
  }
  const policy = restartPolicy ?? spec.restartPolicy
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}

function checkClaimStatuses({ resourceClaimStatuses }: types.PodStatus, spec: PodSpec | undefined, errors: Errors): void {
  const names = new Set<string>()
  each(resourceClaimStatuses, 'status.resourceClaimStatuses', ({ name, resourceClaimName }, at) => {
    if (!spec?.resourceClaims?.some((claim) => claim.name === name))
      errors.push(invalid(`${at}.name`, name, 'must match the name of an entry in `spec.resourceClaims`'))
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name))
    names.add(name)
    if (resourceClaimName !== undefined)
      checkMessages(`${at}.resourceClaimName`, resourceClaimName, dnsSubdomain(resourceClaimName), errors)
  })
}

interface Address {
  ip?: string
}

function checkAddresses(field: 'podIPs' | 'hostIPs', list: Address[] | undefined, old: Address[] | undefined, errors: Errors): void {
  const known = new Set(old?.map(({ ip }) => ip))
  each(list, `status.${field}`, ({ ip = '' }, at) => {
    if (!known.has(ip)) checkMessages(at, ip, ipMessages(ip), errors)
  })
  const families = (list ?? []).map(({ ip = '' }) => familyOf(ip))
  if (families.length > 1 && (families.length > 2 || new Set(families).size < 2))
    errors.push(
      invalid(
        `status.${field}`,
        list?.map(({ ip = '' }) => ({ IP: ip })),
        'may specify no more than one IP for each IP family',
      ),
    )
}

function checkUsers(status: types.PodStatus, spec: PodSpec | undefined, errors: Errors): void {
  for (const list of LISTS)
    each(status[list], `status.${list}`, ({ user }, at) => {
      if (!user?.linux) return
      if (spec?.os?.name === 'windows') return void errors.push(forbidden(`${at}.linux`, 'cannot be set for a windows pod'))
      checkRange(`${at}.linux.uid`, user.linux.uid, IDS, errors)
      checkRange(`${at}.linux.gid`, user.linux.gid, IDS, errors)
      each(user.linux.supplementalGroups, `${at}.linux.supplementalGroups`, (group, where) => checkRange(where, group, IDS, errors))
    })
}

const HEALTH = ['Healthy', 'Unhealthy', 'Unknown']

/** Health is told of what the container asked for. */
function checkHealth(status: types.PodStatus, spec: PodSpec | undefined, errors: Errors): void {
  for (const list of LISTS)
    each(status[list], `status.${list}`, ({ name, allocatedResourcesStatus: allocated }, item) => {
      const at = `${item}.allocatedResourcesStatus`
      if (list === 'ephemeralContainerStatuses') {
        if (allocated?.length) errors.push(forbidden(at, 'must not be specified in container status'))
        return
      }
      const container = (list === 'containerStatuses' ? spec?.containers : spec?.initContainers)?.find((one) => one.name === name)
      each(allocated, at, (resource, where) => {
        if (container) checkAsked(resource.name, container, `${where}.name`, errors)
        const ids = new Set<string>()
        each(resource.resources, `${where}.resources`, ({ health = '', resourceID }, place) => {
          if (!HEALTH.includes(health)) errors.push(notSupported(`${place}.health`, health, HEALTH))
          if (ids.has(resourceID)) errors.push(duplicate(`${place}.resourceID`, resourceID))
          ids.add(resourceID)
        })
      })
    })
}

function checkAsked(name: string, { resources }: types.Container, path: string, errors: Errors): void {
  if (name.startsWith('claim:')) {
    const claims = (resources?.claims ?? []).map((claim) => `claim:${claim.name}${claim.request ? `/${claim.request}` : ''}`)
    if (!claims.includes(name))
      errors.push(
        invalid(
          path,
          name,
          "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty",
        ),
      )
  } else if (!Object.hasOwn(resources?.requests ?? {}, name))
    errors.push(invalid(path, name, "must match one of the container's resource requests"))
}
