// From a container's spec to what the runtime is asked to create: environment, command, mounts, identity, resources. Whatever here is
// missing or wrong is a configuration error, which the pod shows as CreateContainerConfigError.
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ContainerResources, ContainerConfig, Image } from '#node/runtime.ts'
import type { EphemeralContainer, Pod, Service as ApiService, VolumeMount } from '#api/generated/types.ts'
import { Service } from '#api/kinds/core/service.ts'
import { quantityValue } from '#api/quantity.ts'
import type { AgentContext } from './context.ts'
import { containerEnvironment } from './environment.ts'
import { expand } from './expansion.ts'
import { ANNOTATION, containerHash, containerLogPath, LABEL, podLabels, terminationLogPath, type TypedContainer } from './identity.ts'
import { hostsFile, podNames } from './pod-network.ts'
import { containerResources } from './resources.ts'
import { containerSecurity, nonRootRefusal } from './security.ts'

const HOSTS = '/etc/hosts'
const DEFAULT_TERMINATION_LOG = '/dev/termination-log'
const PROPAGATION: Record<string, 'private' | 'hostToContainer' | 'bidirectional'> = {
  None: 'private',
  HostToContainer: 'hostToContainer',
  Bidirectional: 'bidirectional',
}

export interface ContainerRequest {
  attempt: number
  image: Image
  podIps: readonly string[]
}

export async function containerConfig(
  pod: Pod,
  container: TypedContainer,
  { request, context }: { request: ContainerRequest; context: AgentContext },
): Promise<ContainerConfig> {
  const { spec } = container
  const { attempt, image, podIps } = request
  const node = context.node()
  const namespace = pod.metadata?.namespace ?? ''
  const refusal = nonRootRefusal(pod, spec, image)
  if (refusal) throw new Error(refusal)
  const services = await servicesFor(pod, context)
  const environment = await containerEnvironment(pod, spec, {
    facts: { podIps, hostIps: node.ips },
    allocatable: node.allocatable,
    services,
    read: context.reader(namespace),
  })
  const expanded = (list: readonly string[] | undefined) => (list ?? []).map((text) => expand(text, (name) => environment.get(name)))
  const termination = spec.terminationMessagePath || DEFAULT_TERMINATION_LOG
  const resources = resourcesFor(pod, container, context)
  const target = (spec as EphemeralContainer).targetContainerName
  return {
    name: spec.name,
    attempt,
    imageId: image.id,
    image: spec.image ?? '',
    command: expanded(spec.command),
    args: expanded(spec.args),
    workingDir: spec.workingDir ?? '',
    env: [...environment].map(([key, value]) => ({ key, value })),
    mounts: await mountsFor(pod, container, { request, context, environment, termination }),
    devices: [],
    labels: { ...podLabels(pod), [LABEL.container]: spec.name },
    annotations: {
      [ANNOTATION.hash]: containerHash(spec),
      [ANNOTATION.restartCount]: String(attempt),
      [ANNOTATION.terminationMessagePath]: termination,
      [ANNOTATION.terminationMessagePolicy]: spec.terminationMessagePolicy ?? 'File',
      [ANNOTATION.gracePeriod]: String(pod.spec?.terminationGracePeriodSeconds ?? 30),
      [ANNOTATION.resources]: JSON.stringify(spec.resources ?? {}),
    },
    logPath: containerLogPath(spec.name, attempt),
    stdin: spec.stdin ?? false,
    stdinOnce: spec.stdinOnce ?? false,
    tty: spec.tty ?? false,
    resources,
    security: containerSecurity(pod, spec, { seccompDirectory: context.seccompDirectory }),
    ...(target ? { processesOf: targetOf(pod, target, context) } : {}),
  }
}

export function resourcesFor(pod: Pod, { spec }: TypedContainer, context: AgentContext): ContainerResources {
  return containerResources(pod, spec, { memoryCapacityBytes: quantityValue(context.node().capacity.memory) })
}

/** The running container an ephemeral one looks into. */
function targetOf(pod: Pod, name: string, { view }: AgentContext): string {
  const target = view
    .pod(pod.metadata?.uid ?? '')
    .containers.find(({ labels, state }) => labels[LABEL.container] === name && state === 'running')
  if (!target) throw new Error(`unable to find target container ${name}`)
  return target.id
}

async function servicesFor(pod: Pod, { informers }: AgentContext): Promise<ApiService[]> {
  const informer = informers.of(Service)
  await informer.synced()
  const master = informer.get({ namespace: 'default', name: 'kubernetes' })
  return [...informer.list(pod.metadata?.namespace), ...(master ? [master] : [])]
}

type Mount = ContainerConfig['mounts'][number]

async function mountsFor(
  pod: Pod,
  { spec }: TypedContainer,
  {
    request,
    context,
    environment,
    termination,
  }: { request: ContainerRequest; context: AgentContext; environment: ReadonlyMap<string, string>; termination: string },
): Promise<Mount[]> {
  if ((spec.volumeDevices ?? []).length > 0) throw new Error('raw block volumes (volumeDevices) are not supported by this node')
  const mounts: Mount[] = []
  for (const [index, mount] of (spec.volumeMounts ?? []).entries()) {
    if (mount.recursiveReadOnly === 'Enabled')
      throw new Error(`volume mount "${mount.name}": recursive read-only mounts are not supported by this node`)
    mounts.push({
      hostPath: await context.volumes.source(pod, spec, { mount, index, environment }),
      containerPath: absolute(mount, spec.workingDir),
      readOnly: mount.readOnly ?? false,
      propagation: PROPAGATION[mount.mountPropagation ?? 'None'] ?? 'private',
    })
  }
  const directory = context.volumes.podDirectory(pod.metadata?.uid ?? '')
  if (!mounts.some(({ containerPath }) => containerPath === HOSTS) && (request.podIps.length > 0 || pod.spec?.hostNetwork)) {
    const path = join(directory, 'etc-hosts')
    const names = podNames(pod, context.dns().clusterDomain)
    const hostFile = pod.spec?.hostNetwork ? await context.hostsFile() : ''
    await writeNew(path, hostsFile(pod, { names, ips: request.podIps, hostFile }), 0o644)
    mounts.push({ hostPath: path, containerPath: HOSTS, readOnly: false, propagation: 'private' })
  }
  const log = terminationLogPath(directory, spec.name, request.attempt)
  // Any user of the container may write its last words.
  await writeNew(log, '', 0o666)
  mounts.push({ hostPath: log, containerPath: termination, readOnly: false, propagation: 'private' })
  return mounts
}

function absolute({ mountPath }: VolumeMount, workingDir = '/'): string {
  return mountPath.startsWith('/') ? mountPath : join(workingDir || '/', mountPath)
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 })
  await writeFile(path, text, { mode })
  await chmod(path, mode)
}
