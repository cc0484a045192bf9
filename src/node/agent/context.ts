// What the parts of the agent share: the world outside, the node's own facts and directories.
import type { Client } from '#client/client.ts'
import type { EventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import type { Pod, Taint } from '#api/generated/types.ts'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Prober } from '#node/probes/prober.ts'
import type { Runtime } from '#node/runtime.ts'
import type { Volumes } from '#node/volumes/volumes.ts'
import type { Cgroups } from '#node/cgroups.ts'
import type { ReadObject } from './environment.ts'
import { fieldPathOf, type TypedContainer } from './identity.ts'
import type { Images } from './images.ts'
import type { DnsSettings } from './pod-network.ts'
import type { RestartBackoff } from './restart-backoff.ts'
import type { RuntimeView } from './runtime-view.ts'
import type { StatusWriter } from './status-writer.ts'

/** The node as pods are admitted against it and see it. */
export interface NodeFacts {
  name: string
  labels: Record<string, string>
  taints: readonly Taint[]
  capacity: Record<string, string>
  allocatable: Record<string, string>
  ips: readonly string[]
}

export interface AgentContext {
  client: Client
  informers: Informers
  runtime: Runtime
  clock: Clock
  random: Random
  log: Logger
  events: EventRecorder
  volumes: Volumes
  images: Images
  prober: Prober
  view: RuntimeView
  statuses: StatusWriter
  restarts: RestartBackoff
  /** Absent: the runtime has no cgroups. */
  cgroups?: Cgroups
  node(): NodeFacts
  dns(): DnsSettings
  hostsFile(): Promise<string>
  reader(namespace: string): ReadObject
  logDirectory: string
  seccompDirectory: string
  /** As in `containerd://id`. */
  runtimeName: string
}

/** Events about one container of a pod. */
export function containerEvents({ events }: Pick<AgentContext, 'events'>, pod: Pod, container: TypedContainer) {
  const fieldPath = fieldPathOf(container)
  return (type: 'Normal' | 'Warning', reason: string, message: string) => events.event(pod, type, reason, message, { fieldPath })
}
