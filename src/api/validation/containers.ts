// Containers of a pod: names, images, ports, mounts, probes, resources, restarts; and what an ephemeral container may not have.
import { duplicate, type FieldError, forbidden, invalid, notFound, notSupported, required, tooMany } from '#api/field-error.ts'
import type { Container, ContainerPort, EphemeralContainer, PodSpec } from '#api/generated/types.ts'
import { dnsLabel, portName, portNumber } from '#api/names.ts'
import { checkAmong, checkMessages, checkName, checkOneOf, each, type Errors } from './checks.ts'
import { validateEnvironment } from './environment.ts'
import { checkHandlers, checkNoHandlers } from './handlers.ts'
import { validateMounts } from './mounts.ts'
import { validateRequirements } from './resources.ts'
import { validateSecurityContext } from './security-context.ts'

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never']

export type AnyContainer = Container | EphemeralContainer

/** What containers are checked against. */
export interface Surroundings {
  volumes: ReadonlyMap<string, { claim: boolean }>
  claims: ReadonlySet<string>
  spec: PodSpec
  /** Of an update: what was invalid before may stay so. */
  previous?: PodSpec | undefined
}

export function validateContainers(around: Surroundings, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { containers } = around.spec
  if (!containers?.length) return [required(path)]
  const names = new Set<string>()
  each(containers, path, (container, at) => {
    checkContainer(container, at, around, errors)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    checkHandlers(container, at, around.spec, errors)
    checkRestarts(container, at, errors)
  })
  const used = new Set<string>()
  each(containers, path, (container, at) => checkHostPorts(container, at, { used, errors }))
  return errors
}

export function validateInitContainers(around: Surroundings, path: string): FieldError[] {
  if (!around.spec.initContainers?.length) return []
  const errors: FieldError[] = []
  const names = new Set(around.spec.containers?.map(({ name }) => name))
  // One that was there before with this policy may keep it.
  const tolerated = around.previous?.initContainers?.some(
    ({ restartPolicy, resizePolicy }) =>
      restartPolicy !== 'Always' && resizePolicy?.some((one) => one.restartPolicy === 'RestartContainer'),
  )
  each(around.spec.initContainers, path, (container, at) => {
    checkContainer(container, at, around, errors)
    checkRestarts(container, at, errors)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    else if (container.name) names.add(container.name)
    // They run one by one: each has the host's ports to itself. Upstream counts from zero here.
    checkHostPorts(container, `${path}[0]`, { used: new Set(), errors })
    if (container.restartPolicy === 'Always') return checkHandlers(container, at, around.spec, errors)
    checkNoHandlers(container, at, errors)
    if (tolerated) return
    each(container.resizePolicy, `${at}.resizePolicy`, ({ restartPolicy }, where) => {
      if (restartPolicy === 'RestartContainer')
        errors.push(
          invalid(`${where}.restartPolicy`, restartPolicy, "must not be set to 'RestartContainer' for non-sidecar initContainers"),
        )
    })
  })
  return errors
}

/** In the order their structure has upstream. */
const NOT_EPHEMERAL = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const

export function validateEphemeralContainers(around: Surroundings, path: string): FieldError[] {
  if (!around.spec.ephemeralContainers?.length) return []
  const errors: FieldError[] = []
  const regular = new Set([...(around.spec.containers ?? []), ...(around.spec.initContainers ?? [])].map(({ name }) => name))
  const names = new Set(regular)
  const forbid = (at: string) => errors.push(forbidden(at, 'cannot be set for an Ephemeral Container'))
  each(around.spec.ephemeralContainers, path, (container, at) => {
    checkContainer(container, at, around, errors)
    checkImageSpaces(container, at, errors)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    const target = container.targetContainerName
    if (target && !regular.has(target)) errors.push(notFound(`${at}.targetContainerName`, target))
    for (const field of NOT_EPHEMERAL) {
      const value = container[field]
      if (value !== undefined && (Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0)) forbid(`${at}.${field}`)
    }
    each(container.volumeMounts, `${at}.volumeMounts`, (mount, where) => {
      if (mount.subPath) forbid(`${where}.subPath`)
      if (mount.subPathExpr) forbid(`${where}.subPathExpr`)
    })
  })
  return errors
}

/** Asked of pods only: templates may hold what others fill in. */
export function checkImageSpaces({ image = '' }: AnyContainer, path: string, errors: Errors): void {
  if (image.trim() !== image) errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'))
}

function checkContainer(container: AnyContainer, path: string, around: Surroundings, errors: Errors): void {
  checkName(`${path}.name`, container.name, dnsLabel, errors)
  if (!container.image) errors.push(required(`${path}.image`))
  checkAmong(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError'], errors)
  checkPorts(container.ports, `${path}.ports`, errors)
  errors.push(...validateEnvironment(container, path))
  errors.push(...validateMounts(container, path, around.volumes))
  checkOneOf(`${path}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES, errors, { required: true })
  errors.push(...validateRequirements(container.resources, `${path}.resources`, { claims: around.claims }))
  checkResizePolicy(container, `${path}.resizePolicy`, around.spec, errors)
  errors.push(...validateSecurityContext(container.securityContext, `${path}.securityContext`, around.spec.hostUsers !== false))
}

function checkPorts(ports: ContainerPort[] | undefined, path: string, errors: Errors): void {
  const names = new Set<string>()
  each(ports, path, (port, at) => {
    if (port.name) {
      const messages = portName(port.name)
      checkMessages(`${at}.name`, port.name, messages, errors)
      if (messages.length === 0 && names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name))
      names.add(port.name)
    }
    if (!port.containerPort) errors.push(required(`${at}.containerPort`))
    else checkMessages(`${at}.containerPort`, port.containerPort, portNumber(port.containerPort), errors)
    if (port.hostPort) checkMessages(`${at}.hostPort`, port.hostPort, portNumber(port.hostPort), errors)
    checkOneOf(`${at}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP'], errors, { required: true })
  })
}

function checkHostPorts({ ports }: Container, path: string, { used, errors }: { used: Set<string>; errors: Errors }): void {
  each(ports, `${path}.ports`, ({ hostPort, hostIP = '', protocol }, at) => {
    if (!hostPort) return
    const key = `${protocol}/${hostIP}/${hostPort}`
    if (used.has(key)) errors.push(duplicate(`${at}.hostPort`, key))
    used.add(key)
  })
}

function checkResizePolicy({ resizePolicy }: AnyContainer, path: string, spec: PodSpec, errors: Errors): void {
  const seen = new Set<string>()
  each(resizePolicy, path, ({ resourceName = '', restartPolicy = '' }, at) => {
    if (seen.has(resourceName)) errors.push(duplicate(at, resourceName))
    seen.add(resourceName)
    checkAmong(path, resourceName, ['cpu', 'memory'], errors)
    checkAmong(path, restartPolicy, ['NotRequired', 'RestartContainer'], errors)
    if (spec.restartPolicy === 'Never' && restartPolicy !== 'NotRequired')
      errors.push(invalid(path, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
  })
}

function checkRestarts({ restartPolicy, restartPolicyRules: rules = [] }: Container, path: string, errors: Errors): void {
  const [policy, at] = [`${path}.restartPolicy`, `${path}.restartPolicyRules`]
  if (restartPolicy !== undefined) checkOneOf(policy, restartPolicy, ['Always', 'Never', 'OnFailure'], errors)
  else if (rules.length > 0) {
    errors.push(required(policy, 'must specify restartPolicy when restart rules are used'))
  }
  if (rules.length > 20) errors.push(tooMany(at, rules.length, 20))
  each(rules, at, ({ action = '', exitCodes }, where) => {
    if (!['Restart', 'RestartAllContainers'].includes(action))
      errors.push(notSupported(`${where}.action`, action, ['Restart', 'RestartAllContainers']))
    if (!exitCodes) return void errors.push(required(`${where}.exitCodes`, 'must be specified'))
    const { operator = '', values = [] } = exitCodes
    if (!['In', 'NotIn'].includes(operator)) errors.push(notSupported(`${where}.exitCodes.operator`, operator, ['In', 'NotIn']))
    if (values.length > 255) errors.push(tooMany(`${where}.exitCodes.values`, values.length, 255))
  })
}
