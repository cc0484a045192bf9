// From the agent's words to CRI's: configurations of sandboxes and containers.
import type { ContainerConfig, ContainerResources, SandboxConfig, SecurityConfig } from '#node/runtime.ts'

const PROPAGATION = {
  private: 'PROPAGATION_PRIVATE',
  hostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  bidirectional: 'PROPAGATION_BIDIRECTIONAL',
}

export function sandboxRequest(config: SandboxConfig): object {
  const { security } = config
  return {
    metadata: { name: config.name, uid: config.uid, namespace: config.namespace, attempt: config.attempt },
    // Both runtimes refuse to set a name in the host's own namespace.
    hostname: config.hostNetwork ? '' : config.hostname,
    logDirectory: config.logDirectory,
    dnsConfig: config.dns,
    portMappings: config.portMappings.map(({ hostIp, ...mapping }) => ({ ...mapping, hostIp: hostIp ?? '' })),
    labels: config.labels,
    annotations: config.annotations,
    linux: {
      cgroupParent: config.cgroupParent,
      sysctls: config.sysctls,
      securityContext: {
        namespaceOptions: namespaceOptions(config),
        ...identity(security),
        readonlyRootfs: security.readOnlyRootFilesystem,
        privileged: security.privileged,
        seccomp: seccompProfile(security),
      },
    },
  }
}

export function containerRequest(config: ContainerConfig, sandbox: SandboxConfig): object {
  const { security } = config
  return {
    metadata: { name: config.name, attempt: config.attempt },
    image: { image: config.imageId, userSpecifiedImage: config.image },
    command: config.command,
    args: config.args,
    workingDir: config.workingDir,
    envs: config.env,
    mounts: config.mounts.map(({ hostPath, containerPath, readOnly, propagation }) => ({
      hostPath,
      containerPath,
      readonly: readOnly,
      propagation: PROPAGATION[propagation],
    })),
    devices: config.devices,
    labels: config.labels,
    annotations: config.annotations,
    logPath: config.logPath,
    stdin: config.stdin,
    stdinOnce: config.stdinOnce,
    tty: config.tty,
    linux: {
      resources: resourcesRequest(config.resources),
      securityContext: {
        capabilities: { addCapabilities: security.addCapabilities, dropCapabilities: security.dropCapabilities },
        privileged: security.privileged,
        namespaceOptions: namespaceOptions(sandbox, config.processesOf),
        ...identity(security),
        readonlyRootfs: security.readOnlyRootFilesystem,
        noNewPrivs: security.noNewPrivileges,
        maskedPaths: security.maskedPaths,
        readonlyPaths: security.readonlyPaths,
        seccomp: seccompProfile(security),
      },
    },
  }
}

export function resourcesRequest(resources: ContainerResources): object {
  return {
    cpuPeriod: resources.cpuPeriod,
    cpuQuota: resources.cpuQuota,
    cpuShares: resources.cpuShares,
    memoryLimitInBytes: resources.memoryLimitBytes,
    oomScoreAdj: resources.oomScoreAdj,
  }
}

function namespaceOptions({ hostNetwork, hostPid, hostIpc, shareProcessNamespace }: SandboxConfig, processesOf?: string): object {
  return {
    network: hostNetwork ? 'NODE' : 'POD',
    ...(processesOf ? { targetId: processesOf } : {}),
    pid: processesOf ? 'TARGET' : hostPid ? 'NODE' : shareProcessNamespace ? 'POD' : 'CONTAINER',
    ipc: hostIpc ? 'NODE' : 'POD',
  }
}

function identity({ runAsUser, runAsGroup, supplementalGroups }: SecurityConfig): object {
  return {
    ...(runAsUser === undefined ? {} : { runAsUser: { value: runAsUser } }),
    // A group alone is refused by runtimes: it counts only beside a user.
    ...(runAsGroup === undefined || runAsUser === undefined ? {} : { runAsGroup: { value: runAsGroup } }),
    supplementalGroups,
  }
}

function seccompProfile({ seccomp, privileged }: SecurityConfig): object {
  if (privileged || seccomp === 'Unconfined' || seccomp === '') return { profileType: 'Unconfined' }
  if (seccomp === 'RuntimeDefault') return { profileType: 'RuntimeDefault' }
  if (seccomp.startsWith('localhost/')) return { profileType: 'Localhost', localhostRef: seccomp.slice('localhost/'.length) }
  throw new TypeError(`seccomp profile ${seccomp} is none of RuntimeDefault, Unconfined, localhost/<path>`)
}
