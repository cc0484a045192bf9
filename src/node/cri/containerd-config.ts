// The configuration of the private containerd. Version 2 of the format is read by containerd 1.6 and everything since.
import type { HostFacts } from './host-facts.ts'

export interface ContainerdPaths {
  root: string
  state: string
  socket: string
  registries: string
  cniConfDir: string
}

/** None of these is used here, and each costs time at start. */
const UNUSED_PLUGINS = [
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.blockfile',
  'io.containerd.snapshotter.v1.native',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
  'io.containerd.nri.v1.nri',
  'io.containerd.monitor.v1.cgroups',
]

export function containerdConfig(facts: HostFacts, paths: ContainerdPaths, { sandboxImage }: { sandboxImage: string }): string {
  const { name, path } = facts.ociRuntime
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = ${quote(paths.root)}
state = ${quote(paths.state)}
oom_score = 0
disabled_plugins = [${UNUSED_PLUGINS.map(quote).join(', ')}]

[grpc]
  address = ${quote(paths.socket)}

[ttrpc]
  address = ${quote(`${paths.socket}.ttrpc`)}

[${cri}]
  sandbox_image = ${quote(sandboxImage)}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  stream_idle_timeout = "4h0m0s"
  netns_mounts_under_state_dir = true
  enable_selinux = false
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  disable_apparmor = ${!facts.appArmor}
  restrict_oom_score_adj = ${!facts.mayLowerOomScore}

  [${cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = ${quote(name)}

    [${cri}.containerd.runtimes.${name}]
      runtime_type = "io.containerd.runc.v2"

      [${cri}.containerd.runtimes.${name}.options]
        BinaryName = ${quote(path)}
        SystemdCgroup = false

  [${cri}.cni]
    bin_dir = ${quote(facts.cniBinDir)}
    conf_dir = ${quote(paths.cniConfDir)}

  [${cri}.registry]
    config_path = ${quote(paths.registries)}
`
}

function quote(text: string): string {
  return JSON.stringify(text)
}
