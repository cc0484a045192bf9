// What this machine offers a container runtime: programs, cgroup layout, capabilities. Read once at start.
import { existsSync, readFileSync } from 'node:fs'

export interface HostFacts {
  containerd: string
  /** The OCI runtime to use, and the name it goes by in the configuration. */
  ociRuntime: { name: 'crun' | 'runc'; path: string }
  cniBinDir: string
  /** Whether containers may be confined by AppArmor profiles. */
  appArmor: boolean
  /** Without it nobody may lower an out-of-memory score. */
  mayLowerOomScore: boolean
}

export interface HostPaths {
  containerd?: string | undefined
  cniBinDirs: readonly string[]
  /** Replaces the file system in tests. */
  exists?(path: string): boolean
  read?(path: string): string
}

export const SEARCH_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const CAP_SYS_RESOURCE = 24n

/** Throws naming the Debian package of whatever is missing. */
export function readHostFacts({ containerd, cniBinDirs, exists = existsSync, read = readText }: HostPaths): HostFacts {
  const find = (name: string) => SEARCH_PATH.map((folder) => `${folder}/${name}`).find(exists)
  const daemon = containerd ?? find('containerd')
  if (!daemon || !exists(daemon)) throw new Error(`${containerd ?? 'containerd'} is not installed: install the package containerd`)
  const cniBinDir = cniBinDirs.find((folder) => exists(`${folder}/loopback`))
  if (!cniBinDir) {
    throw new Error(`no CNI plugins in ${cniBinDirs.join(' or ')}: install the package containernetworking-plugins`)
  }
  const appArmorEnabled =
    exists('/sys/module/apparmor/parameters/enabled') && read('/sys/module/apparmor/parameters/enabled').startsWith('Y')
  return {
    containerd: daemon,
    ociRuntime: chooseOciRuntime({ crun: find('crun'), runc: find('runc'), hybrid: isHybrid(read('/proc/self/mountinfo')) }),
    cniBinDir,
    appArmor: appArmorEnabled && find('apparmor_parser') !== undefined,
    mayLowerOomScore: hasCapability(read('/proc/self/status'), CAP_SYS_RESOURCE),
  }
}

/** crun starts containers faster, but refuses to run where cgroup version 2 is mounted beside version 1. */
function chooseOciRuntime({
  crun,
  runc,
  hybrid,
}: {
  crun: string | undefined
  runc: string | undefined
  hybrid: boolean
}): HostFacts['ociRuntime'] {
  if (crun && !hybrid) return { name: 'crun', path: crun }
  if (runc) return { name: 'runc', path: runc }
  if (crun) throw new Error('crun does not work with the hybrid cgroup layout of this machine: install the package runc')
  throw new Error('neither crun nor runc is installed: install the package runc')
}

function isHybrid(mountinfo: string): boolean {
  const types = mountinfo.split('\n').map((line) => line.slice(line.indexOf(' - ') + 3).split(' ')[0])
  return types.includes('cgroup') && types.includes('cgroup2')
}

function hasCapability(status: string, capability: bigint): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'
  return (BigInt(`0x${effective}`) & (1n << capability)) !== 0n
}

function readText(path: string): string {
  return readFileSync(path, 'utf8')
}
