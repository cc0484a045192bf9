// What the machine says of itself: processors, memory, system identity. Read once at start; nothing here changes while it runs.
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { arch, availableParallelism, release, totalmem } from 'node:os'
import type { NodeSystemInfo } from '#api/generated/types.ts'
import { KUBERNETES_VERSION } from '#api/kubernetes-version.ts'
import { Quantity } from '#api/quantity.ts'

const MAX_PODS = 110
const ARCHITECTURES: Record<string, string> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  s390x: 's390x',
  ppc64: 'ppc64le',
  riscv64: 'riscv64',
}

export function architecture(): string {
  return ARCHITECTURES[arch()] ?? arch()
}

/** `directory` is where pods and images live. */
export async function machineCapacity(directory: string, options: { maxPods?: number } = {}): Promise<Record<string, string>> {
  const disk = await statfs(directory)
  return {
    cpu: String(availableParallelism()),
    memory: new Quantity(BigInt(totalmem()) * 1_000_000_000n, 'BinarySI').toString(),
    'ephemeral-storage': new Quantity(BigInt(disk.blocks) * BigInt(disk.bsize) * 1_000_000_000n, 'BinarySI').toString(),
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    pods: String(options.maxPods ?? MAX_PODS),
  }
}

export function systemInfo(runtime: { name: string; version: string }): NodeSystemInfo {
  return {
    architecture: architecture(),
    bootID: firstLine('/proc/sys/kernel/random/boot_id'),
    containerRuntimeVersion: `${runtime.name}://${runtime.version}`,
    kernelVersion: release(),
    kubeProxyVersion: '',
    kubeletVersion: KUBERNETES_VERSION,
    machineID: firstLine('/etc/machine-id') || firstLine('/var/lib/dbus/machine-id'),
    operatingSystem: 'linux',
    osImage: osName(),
    systemUUID: firstLine('/sys/class/dmi/id/product_uuid') || firstLine('/etc/machine-id'),
  }
}

/** Memory that could be handed out at once, in bytes; without limit where the kernel does not say. */
export function availableMemory(): number {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(textOf('/proc/meminfo'))
  return match ? Number(match[1]) * 1024 : Infinity
}

function osName(): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(textOf('/etc/os-release'))?.[1] ?? 'Linux'
}

function firstLine(path: string): string {
  return textOf(path).split('\n')[0]!.trim()
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
