// CRI's verbs and order, idempotent. Drivers: cri (containerd, CRI-O), simulated; direct later. Times in epoch milliseconds.

export type ContainerState = 'created' | 'running' | 'exited' | 'unknown'

export interface SandboxConfig {
  namespace: string
  name: string
  uid: string
  attempt: number
  hostname: string
  logDirectory: string
  labels: Record<string, string>
  annotations: Record<string, string>
  dns: { servers: string[]; searches: string[]; options: string[] }
  portMappings: { protocol: 'TCP' | 'UDP' | 'SCTP'; containerPort: number; hostPort: number; hostIp?: string }[]
  /** Path below the cgroup root, e.g. `/kubepods/burstable/pod<uid>`. */
  cgroupParent: string
  hostNetwork: boolean
  hostPid: boolean
  hostIpc: boolean
  /** All containers of the pod share one process namespace. */
  shareProcessNamespace: boolean
  sysctls: Record<string, string>
  security: SecurityConfig
}

export interface SecurityConfig {
  privileged: boolean
  runAsUser?: number
  runAsGroup?: number
  supplementalGroups: number[]
  readOnlyRootFilesystem: boolean
  noNewPrivileges: boolean
  addCapabilities: string[]
  dropCapabilities: string[]
  /** `RuntimeDefault`, `Unconfined`, or `localhost/<path>`. */
  seccomp: string
  maskedPaths: string[]
  readonlyPaths: string[]
}

export interface ContainerResources {
  cpuShares: number
  cpuQuota: number
  cpuPeriod: number
  memoryLimitBytes: number
  oomScoreAdj: number
}

export interface ContainerConfig {
  name: string
  attempt: number
  /** What `imageStatus` answered as `id`. */
  imageId: string
  /** As the pod spells it. */
  image: string
  command: string[]
  args: string[]
  workingDir: string
  env: { key: string; value: string }[]
  mounts: { hostPath: string; containerPath: string; readOnly: boolean; propagation: 'private' | 'hostToContainer' | 'bidirectional' }[]
  devices: { hostPath: string; containerPath: string; permissions: string }[]
  labels: Record<string, string>
  annotations: Record<string, string>
  /** Relative to the sandbox's logDirectory. */
  logPath: string
  stdin: boolean
  stdinOnce: boolean
  tty: boolean
  resources: ContainerResources
  security: SecurityConfig
  /** Id of the container whose processes it sees: for debugging. */
  processesOf?: string
}

export interface Sandbox {
  id: string
  namespace: string
  name: string
  uid: string
  attempt: number
  ready: boolean
  createdAt: number
  ips: string[]
  hostNetwork: boolean
  labels: Record<string, string>
  annotations: Record<string, string>
}

export interface Container {
  id: string
  sandboxId: string
  name: string
  attempt: number
  state: ContainerState
  image: string
  imageRef: string
  createdAt: number
  startedAt: number
  finishedAt: number
  exitCode: number
  /** Completed, Error, OOMKilled, StartError ... */
  reason: string
  message: string
  labels: Record<string, string>
  annotations: Record<string, string>
  logPath: string
}

export interface Image {
  id: string
  tags: string[]
  digests: string[]
  sizeBytes: number
  /** From the image's USER. */
  uid?: number
  username?: string
}

export type RuntimeEvent = { type: 'created' | 'started' | 'stopped' | 'deleted' | 'oom'; containerId: string; sandboxId?: string }

/** `url` is on the runtime's own streaming server and speaks SPDY/3.1 (v4.channel.k8s.io, portforward.k8s.io). */
export interface StreamingUrl {
  url: string
}

export interface ContainerStats {
  containerId: string
  timestamp: number
  cpuUsageNanoSeconds: number
  memoryWorkingSetBytes: number
  memoryUsageBytes: number
  memoryRssBytes: number
  writableLayerBytes: number
}

/** What went wrong, for the agent to turn into the kubelet's waiting reasons. */
export class RuntimeError extends Error {
  override name = 'RuntimeError'
  readonly reason:
    | 'ImageNotFound'
    | 'PullFailed'
    | 'CreateFailed'
    | 'StartFailed'
    | 'SandboxFailed'
    | 'NotFound'
    | 'Timeout'
    | 'Unavailable'
    | 'Unknown'
  constructor(reason: RuntimeError['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.reason = reason
  }
}

export interface ImageService {
  /** undefined when the image is not here. Accepts names, short names and ids. */
  imageStatus(reference: string): Promise<Image | undefined>
  /** Resolves to the image's id. */
  pullImage(
    reference: string,
    options: { auth?: { username: string; password: string; server: string }; signal?: AbortSignal },
  ): Promise<string>
  listImages(): Promise<Image[]>
  removeImage(reference: string): Promise<void>
}

export interface Runtime extends ImageService {
  readonly name: string
  version(): Promise<{ name: string; version: string; apiVersion: string }>
  runPodSandbox(config: SandboxConfig): Promise<string>
  stopPodSandbox(id: string): Promise<void>
  removePodSandbox(id: string): Promise<void>
  listSandboxes(): Promise<Sandbox[]>
  sandboxStatus(id: string): Promise<Sandbox | undefined>
  createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string>
  startContainer(id: string): Promise<void>
  /** SIGTERM (or the image's stop signal), then SIGKILL after `gracePeriodSeconds`. */
  stopContainer(id: string, gracePeriodSeconds: number): Promise<void>
  removeContainer(id: string): Promise<void>
  listContainers(): Promise<Container[]>
  containerStatus(id: string): Promise<Container | undefined>
  updateContainerResources(id: string, resources: ContainerResources): Promise<void>
  reopenContainerLog(id: string): Promise<void>
  execSync(id: string, command: string[], timeoutSeconds: number): Promise<{ exitCode: number; stdout: Buffer; stderr: Buffer }>
  exec(request: {
    containerId: string
    command: string[]
    tty: boolean
    stdin: boolean
    stdout: boolean
    stderr: boolean
  }): Promise<StreamingUrl>
  attach(request: { containerId: string; tty: boolean; stdin: boolean; stdout: boolean; stderr: boolean }): Promise<StreamingUrl>
  portForward(request: { sandboxId: string; ports: number[] }): Promise<StreamingUrl>
  containerStats(): Promise<ContainerStats[]>
  /** Never ends until the signal aborts; reconnects by itself. Missed events are found by listing. */
  events(signal: AbortSignal): AsyncIterable<RuntimeEvent>
}

/** What the node's HTTP API asks of the agent. */
export interface PodDirectory {
  /** undefined: no such pod on this node. `logPath` is absolute; `previous` picks the last terminated instance. */
  container(
    namespace: string,
    pod: string,
    container: string,
    options?: { previous?: boolean; uid?: string },
  ): { containerId: string; logPath: string; state: ContainerState; tty: boolean; stdin: boolean } | undefined
  sandbox(namespace: string, pod: string): { sandboxId: string; ip: string } | undefined
  /** Pods as the agent sees them, for /pods. */
  pods(): unknown[]
}
