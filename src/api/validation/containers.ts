// Containers of a pod: names, images, ports, environment, mounts, probes, resources; and what an ephemeral container may not have.
import { duplicate, type FieldError, forbidden, invalid, notFound, required, tooMany } from '#api/field-error.ts'
import type { Container, ContainerPort, EphemeralContainer, PodSpec } from '#api/generated/types.ts'
import { dnsLabel, portName, portNumber } from '#api/names.ts'
import { checkMessages, checkName, checkOneOf, checkUnique, each, type Errors } from './checks.ts'
import { validateEnvironment } from './environment.ts'
import { validateHandler, validateProbe } from './handlers.ts'
import { backStepMessages, descendingPathMessages } from './paths.ts'
import { validateRequirements } from './resources.ts'
import { validateSecurityContext } from './security-context.ts'

export const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never']

/** What containers are checked against. */
interface Surroundings {
  volumes: ReadonlyMap<string, { claim: boolean }>
  claims: ReadonlySet<string>
  spec: PodSpec
}

export function validateContainers(around: Surroundings, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { containers, initContainers } = around.spec
  if (!containers?.length) errors.push(required(`${path}.containers`))
  each(containers, `${path}.containers`, (container, at) => {
    checkContainer(container, at, around, errors)
    checkRestartPolicy(container, at, false, errors)
    checkProbes(container, at, around.spec, errors)
  })
  checkUnique(containers, `${path}.containers`, ({ name }) => name, errors, '.name')
  checkHostPorts(containers, `${path}.containers`, errors)
  each(initContainers, `${path}.initContainers`, (container, at) => {
    checkContainer(container, at, around, errors)
    checkRestartPolicy(container, at, true, errors)
    if (container.restartPolicy === 'Always') checkProbes(container, at, around.spec, errors)
    else checkNoProbes(container, at, errors)
  })
  const names = new Set(containers?.map(({ name }) => name))
  const seen = new Set<string>()
  each(initContainers, `${path}.initContainers`, ({ name }, at) => {
    if (name && (names.has(name) || seen.has(name))) errors.push(duplicate(`${at}.name`, name))
    seen.add(name)
  })
  return errors
}

const NOT_EPHEMERAL = ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle', 'resources', 'resizePolicy'] as const

export function validateEphemeralContainers(around: Surroundings, path: string): FieldError[] {
  const errors: FieldError[] = []
  const regular = new Set([...(around.spec.containers ?? []), ...(around.spec.initContainers ?? [])].map(({ name }) => name))
  const seen = new Set<string>()
  each(around.spec.ephemeralContainers, path, (container, at) => {
    checkContainer(container, at, around, errors)
    if (container.name && (regular.has(container.name) || seen.has(container.name))) errors.push(duplicate(`${at}.name`, container.name))
    seen.add(container.name)
    const target = container.targetContainerName
    if (target && !regular.has(target)) errors.push(notFound(`${at}.targetContainerName`, target))
    for (const field of NOT_EPHEMERAL) {
      const value = container[field]
      if (value !== undefined && (Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0))
        errors.push(forbidden(`${at}.${field}`, 'cannot be set for an Ephemeral Container'))
    }
    each(container.volumeMounts, `${at}.volumeMounts`, (mount, where) => {
      if (mount.subPath) errors.push(forbidden(`${where}.subPath`, 'cannot be set for an Ephemeral Container'))
      if (mount.subPathExpr) errors.push(forbidden(`${where}.subPathExpr`, 'cannot be set for an Ephemeral Container'))
    })
  })
  return errors
}

function checkContainer(container: Container | EphemeralContainer, path: string, around: Surroundings, errors: Errors): void {
  checkName(`${path}.name`, container.name, dnsLabel, errors)
  const { image = '' } = container
  if (!image) errors.push(required(`${path}.image`))
  else if (image.trim() !== image) errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'))
  checkOneOf(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError'], errors, {
    required: true,
  })
  checkPorts(container.ports, `${path}.ports`, errors)
  errors.push(...validateEnvironment(container, path))
  checkMounts(container, path, around, errors)
  checkOneOf(`${path}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES, errors, { required: true })
  errors.push(...validateRequirements(container.resources, `${path}.resources`, around.claims))
  checkResizePolicy(container, path, around.spec, errors)
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

function checkHostPorts(containers: Container[] | undefined, path: string, errors: Errors): void {
  const used = new Set<string>()
  each(containers, path, ({ ports }, at) =>
    each(ports, `${at}.ports`, ({ hostPort, hostIP = '', protocol }, where) => {
      if (!hostPort) return
      const key = `${protocol}/${hostIP}/${hostPort}`
      if (used.has(key)) errors.push(duplicate(`${where}.hostPort`, key))
      used.add(key)
    }),
  )
}

function checkMounts(container: Container | EphemeralContainer, path: string, { volumes }: Surroundings, errors: Errors): void {
  const paths = new Set<string>()
  const devices = new Set(container.volumeDevices?.map(({ devicePath }) => devicePath))
  each(container.volumeMounts, `${path}.volumeMounts`, (mount, at) => {
    if (!mount.name) errors.push(required(`${at}.name`))
    else if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name))
    if (!mount.mountPath) errors.push(required(`${at}.mountPath`))
    else if (paths.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'))
    else if (devices.has(mount.mountPath))
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices'))
    paths.add(mount.mountPath)
    if (mount.subPath) checkMessages(`${at}.subPath`, mount.subPath, descendingPathMessages(mount.subPath), errors)
    if (mount.subPathExpr) {
      if (mount.subPath) errors.push(invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'))
      checkMessages(`${at}.subPathExpr`, mount.subPathExpr, descendingPathMessages(mount.subPathExpr), errors)
    }
    checkOneOf(`${at}.mountPropagation`, mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None'], errors)
    if (mount.mountPropagation === 'Bidirectional' && !container.securityContext?.privileged)
      errors.push(forbidden(`${at}.mountPropagation`, 'Bidirectional mount propagation is available only to privileged containers'))
    checkOneOf(`${at}.recursiveReadOnly`, mount.recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible'], errors)
    if ((mount.recursiveReadOnly ?? 'Disabled') !== 'Disabled' && !mount.readOnly)
      errors.push(forbidden(`${at}.recursiveReadOnly`, 'may only be specified when readOnly is true'))
  })
  const names = new Set<string>()
  each(container.volumeDevices, `${path}.volumeDevices`, (device, at) => {
    if (!device.name) errors.push(required(`${at}.name`))
    else if (names.has(device.name)) errors.push(invalid(`${at}.name`, device.name, 'must be unique'))
    else if (!volumes.has(device.name)) errors.push(notFound(`${at}.name`, device.name))
    else if (!volumes.get(device.name)!.claim)
      errors.push(
        invalid(`${at}.name`, device.name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'),
      )
    names.add(device.name)
    if (!device.devicePath) errors.push(required(`${at}.devicePath`))
    else checkMessages(`${at}.devicePath`, device.devicePath, backStepMessages(device.devicePath), errors)
  })
}

function checkResizePolicy(container: Container | EphemeralContainer, path: string, spec: PodSpec, errors: Errors): void {
  const plainInit = spec.initContainers?.includes(container as Container) && container.restartPolicy !== 'Always'
  each(container.resizePolicy, `${path}.resizePolicy`, ({ resourceName, restartPolicy }, at) => {
    checkOneOf(`${at}.resourceName`, resourceName, ['cpu', 'memory'], errors, { required: true })
    checkOneOf(`${at}.restartPolicy`, restartPolicy, ['NotRequired', 'RestartContainer'], errors, { required: true })
    if (restartPolicy === 'RestartContainer' && (spec.restartPolicy === 'Never' || plainInit))
      errors.push(
        invalid(
          `${at}.restartPolicy`,
          restartPolicy,
          plainInit
            ? 'must not be RestartContainer for non-restartable init containers'
            : "must be 'NotRequired' when `restartPolicy` is 'Never'",
        ),
      )
  })
  checkUnique(container.resizePolicy, `${path}.resizePolicy`, ({ resourceName }) => resourceName, errors)
}

function checkRestartPolicy(container: Container, path: string, init: boolean, errors: Errors): void {
  const { restartPolicy, restartPolicyRules: rules } = container
  checkOneOf(`${path}.restartPolicy`, restartPolicy, ['Always', 'Never', 'OnFailure'], errors)
  if (!rules?.length) return
  const at = `${path}.restartPolicyRules`
  if (restartPolicy === undefined) errors.push(required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'))
  if (init && restartPolicy === 'Always')
    errors.push(forbidden(at, 'restartPolicyRules are not allowed for init containers with restart policy Always'))
  if (rules.length > 20) errors.push(tooMany(at, rules.length, 20))
  each(rules, at, ({ action, exitCodes }, where) => {
    checkOneOf(`${where}.action`, action, ['Restart', 'RestartAllContainers'], errors, { required: true })
    if (!exitCodes) return void errors.push(required(`${where}.exitCodes`, 'must be specified'))
    checkOneOf(`${where}.exitCodes.operator`, exitCodes.operator, ['In', 'NotIn'], errors, { required: true })
    if ((exitCodes.values?.length ?? 0) > 255) errors.push(tooMany(`${where}.exitCodes.values`, exitCodes.values!.length, 255))
  })
}

function checkProbes(container: Container, path: string, spec: PodSpec, errors: Errors): void {
  const { lifecycle } = container
  const grace = spec.terminationGracePeriodSeconds ?? 30
  if (lifecycle?.postStart) errors.push(...validateHandler(lifecycle.postStart, `${path}.lifecycle.postStart`, grace))
  if (lifecycle?.preStop) errors.push(...validateHandler(lifecycle.preStop, `${path}.lifecycle.preStop`, grace))
  if (lifecycle?.stopSignal && !spec.os?.name)
    errors.push(forbidden(`${path}.lifecycle.stopSignal`, 'may not be set for containers with empty `spec.os.name`'))
  errors.push(...validateProbe(container.livenessProbe, `${path}.livenessProbe`, 'liveness'))
  errors.push(...validateProbe(container.readinessProbe, `${path}.readinessProbe`, 'readiness'))
  errors.push(...validateProbe(container.startupProbe, `${path}.startupProbe`, 'startup'))
}

function checkNoProbes(container: Container, path: string, errors: Errors): void {
  for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
    if (container[field]) errors.push(forbidden(`${path}.${field}`, 'may not be set for init containers without restartPolicy=Always'))
}
