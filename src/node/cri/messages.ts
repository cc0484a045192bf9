// What the runtime answers, as the codec hands it over. Timestamps are nanoseconds since the epoch, rounded by the number type to about 256 ns.

export type StringMap = Record<string, string>

export interface SandboxMetadata {
  name: string
  uid: string
  namespace: string
  attempt: number
}

export interface CriSandbox {
  id: string
  metadata?: SandboxMetadata
  state: string
  createdAt: number
  labels: StringMap
  annotations: StringMap
}

export interface CriSandboxStatus extends CriSandbox {
  network?: { ip: string; additionalIps: { ip: string }[] }
  linux?: { namespaces?: { options?: { network: string } } }
}

export interface CriContainer {
  id: string
  podSandboxId: string
  metadata?: { name: string; attempt: number }
  image?: { image: string; userSpecifiedImage: string }
  imageRef: string
  state: string
  createdAt: number
  labels: StringMap
  annotations: StringMap
}

export interface CriContainerStatus extends Omit<CriContainer, 'podSandboxId'> {
  startedAt: number
  finishedAt: number
  exitCode: number
  reason: string
  message: string
  logPath: string
}

export interface CriImage {
  id: string
  repoTags: string[]
  repoDigests: string[]
  size: number
  uid?: { value: number }
  username: string
}

export interface CriContainerStats {
  attributes?: { id: string }
  cpu?: { timestamp: number; usageCoreNanoSeconds?: { value: number } }
  memory?: { workingSetBytes?: { value: number }; usageBytes?: { value: number }; rssBytes?: { value: number } }
  writableLayer?: { usedBytes?: { value: number } }
}
