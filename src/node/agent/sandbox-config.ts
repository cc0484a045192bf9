// From a pod's spec to the sandbox the runtime is asked for.
import type { Pod } from '#api/generated/types.ts'
import type { SandboxConfig } from '#node/runtime.ts'
import type { AgentContext } from './context.ts'
import { identityOf, podLabels, podLogDirectory } from './identity.ts'
import { podDns, podNames } from './pod-network.ts'
import { cgroupParentOf } from './resources.ts'
import { sandboxSecurity } from './security.ts'

/** `dropped` tells what of the DNS settings did not fit. */
export function sandboxConfig(pod: Pod, attempt: number, context: AgentContext): { config: SandboxConfig; dropped: string[] } {
  const identity = identityOf(pod)
  const { hostNetwork = false, hostPID = false, hostIPC = false, shareProcessNamespace = false, securityContext } = pod.spec ?? {}
  const settings = context.dns()
  const { dns, dropped } = podDns(pod, settings)
  const ports = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].flatMap(({ ports = [] }) => ports)
  const config: SandboxConfig = {
    ...identity,
    attempt,
    // The host's own name: the runtime sets none for a pod that shares the host's network.
    hostname: hostNetwork ? '' : podNames(pod, settings.clusterDomain).kernel,
    logDirectory: podLogDirectory(context.logDirectory, identity),
    labels: { ...pod.metadata?.labels, ...podLabels(pod) },
    annotations: pod.metadata?.annotations ?? {},
    dns,
    portMappings: hostNetwork
      ? []
      : ports.flatMap(({ hostPort, hostIP, containerPort, protocol = 'TCP' }) =>
          hostPort
            ? [{ protocol: protocol as 'TCP' | 'UDP' | 'SCTP', containerPort, hostPort, ...(hostIP ? { hostIp: hostIP } : {}) }]
            : [],
        ),
    cgroupParent: cgroupParentOf(pod),
    hostNetwork,
    hostPid: hostPID,
    hostIpc: hostIPC,
    shareProcessNamespace,
    sysctls: Object.fromEntries((securityContext?.sysctls ?? []).map(({ name, value }) => [name.replaceAll('/', '.'), value])),
    security: sandboxSecurity(pod, context),
  }
  return { config, dropped }
}
