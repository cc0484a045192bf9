// From CRI's words to the agent's: sandboxes, containers, images, statistics.
import type { Container, ContainerState, ContainerStats, Image, Sandbox } from '#node/runtime.ts'
import type { CriContainer, CriContainerStats, CriContainerStatus, CriImage, CriSandbox, CriSandboxStatus } from './messages.ts'

const STATES: Record<string, ContainerState> = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
}

export function stateOf(state: string): ContainerState {
  return STATES[state] ?? 'unknown'
}

export function toSandbox(sandbox: CriSandbox, status?: CriSandboxStatus): Sandbox {
  const { name = '', uid = '', namespace = '', attempt = 0 } = sandbox.metadata ?? {}
  const { ip = '', additionalIps = [] } = status?.network ?? {}
  return {
    id: sandbox.id,
    namespace,
    name,
    uid,
    attempt,
    ready: sandbox.state === 'SANDBOX_READY',
    createdAt: millis(sandbox.createdAt),
    ips: [ip, ...additionalIps.map((one) => one.ip)].filter(Boolean),
    hostNetwork: status?.linux?.namespaces?.options?.network === 'NODE',
    labels: { ...sandbox.labels },
    annotations: { ...sandbox.annotations },
  }
}

export function toContainer(sandboxId: string, status: CriContainerStatus): Container {
  return {
    id: status.id,
    sandboxId,
    name: status.metadata?.name ?? '',
    attempt: status.metadata?.attempt ?? 0,
    state: stateOf(status.state),
    image: status.image?.userSpecifiedImage || status.image?.image || '',
    imageRef: status.imageRef,
    createdAt: millis(status.createdAt),
    startedAt: millis(status.startedAt),
    finishedAt: millis(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.message,
    labels: { ...status.labels },
    annotations: { ...status.annotations },
    logPath: status.logPath,
  }
}

/** What a list says of a container whose status is gone by the time it is asked for. */
export function toListedContainer(container: CriContainer): Container {
  return toContainer(container.podSandboxId, {
    ...container,
    startedAt: 0,
    finishedAt: 0,
    exitCode: 0,
    reason: '',
    message: '',
    logPath: '',
  })
}

export function toImage(image: CriImage): Image {
  return {
    id: image.id,
    tags: image.repoTags,
    digests: image.repoDigests,
    sizeBytes: image.size,
    ...(image.uid ? { uid: image.uid.value } : {}),
    ...(image.username ? { username: image.username } : {}),
  }
}

export function toStats(stats: CriContainerStats): ContainerStats {
  return {
    containerId: stats.attributes?.id ?? '',
    timestamp: millis(stats.cpu?.timestamp ?? 0),
    cpuUsageNanoSeconds: stats.cpu?.usageCoreNanoSeconds?.value ?? 0,
    memoryWorkingSetBytes: stats.memory?.workingSetBytes?.value ?? 0,
    memoryUsageBytes: stats.memory?.usageBytes?.value ?? 0,
    memoryRssBytes: stats.memory?.rssBytes?.value ?? 0,
    writableLayerBytes: stats.writableLayer?.usedBytes?.value ?? 0,
  }
}

function millis(nanoseconds: number): number {
  return nanoseconds > 0 ? Math.round(nanoseconds / 1e6) : 0
}
