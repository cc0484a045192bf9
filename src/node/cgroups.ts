// The pods' part of the cgroup tree, versions 1 and 2 (and hybrids): one group per pod with the pod's own weight and limits, removed when
// the pod is gone. What containers need below that is the runtime's affair.
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface PodCgroupLimits {
  cpuShares: number
  /** Microseconds per period; 0: none. */
  cpuQuota: number
  cpuPeriod: number
  /** 0: none. */
  memoryLimitBytes: number
}

export interface Cgroups {
  readonly version: 1 | 2
  /** `path` as in `/kubepods/burstable/pod<uid>`. */
  ensurePod(path: string, limits: PodCgroupLimits): Promise<void>
  removePod(path: string): Promise<void>
  /** Groups of pods that exist, as paths. */
  pods(): Promise<string[]>
  /** Where a group's files are: by controller in version 1. */
  directory(controller: string, path: string): string
}

const V2_CONTROLLERS = ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids']
const TIERS = ['', '/burstable', '/besteffort']

export function createCgroups({ root = '/sys/fs/cgroup' }: { root?: string } = {}): Cgroups {
  return existsSync(join(root, 'cgroup.controllers')) ? versionTwo(root) : versionOne(root)
}

function versionOne(root: string): Cgroups {
  const controllers = () => readdirSync(root, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []))
  const write = (controller: string, path: string, file: string, value: number) =>
    writeFile(join(root, controller, path, file), String(value))
  return {
    version: 1,
    async ensurePod(path, { cpuShares, cpuQuota, cpuPeriod, memoryLimitBytes }) {
      for (const controller of ['cpu', 'memory']) await mkdir(join(root, controller, path), { recursive: true })
      await write('cpu', path, 'cpu.shares', cpuShares)
      if (cpuQuota > 0) {
        await write('cpu', path, 'cpu.cfs_period_us', cpuPeriod)
        await write('cpu', path, 'cpu.cfs_quota_us', cpuQuota)
      }
      if (memoryLimitBytes > 0) await write('memory', path, 'memory.limit_in_bytes', memoryLimitBytes)
    },
    async removePod(path) {
      for (const controller of controllers()) await removeTree(join(root, controller, path))
    },
    pods: () => listPods(join(root, 'memory')),
    directory: (controller, path) => join(root, controller, path),
  }
}

function versionTwo(root: string): Cgroups {
  return {
    version: 2,
    async ensurePod(path, { cpuShares, cpuQuota, cpuPeriod, memoryLimitBytes }) {
      await delegate(root, path)
      const home = join(root, path)
      await writeFile(join(home, 'cpu.weight'), String(weightOf(cpuShares)))
      await writeFile(join(home, 'cpu.max'), `${cpuQuota > 0 ? cpuQuota : 'max'} ${cpuPeriod}`)
      await writeFile(join(home, 'memory.max'), memoryLimitBytes > 0 ? String(memoryLimitBytes) : 'max')
    },
    removePod: (path) => removeTree(join(root, path)),
    pods: () => listPods(root),
    directory: (_, path) => join(root, path),
  }
}

/** Makes the group and hands the controllers down to it, level by level. */
async function delegate(root: string, path: string): Promise<void> {
  let at = root
  for (const part of path.split('/').filter(Boolean)) {
    for (const controller of V2_CONTROLLERS) await writeFile(join(at, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined)
    at = join(at, part)
    await mkdir(at, { recursive: true })
  }
}

/** Shares 2..262144 onto weights 1..10000. */
function weightOf(shares: number): number {
  return 1 + Math.floor(((shares - 2) * 9999) / 262_142)
}

async function listPods(base: string): Promise<string[]> {
  const found: string[] = []
  for (const tier of TIERS) {
    const names = await readdir(join(base, 'kubepods', tier)).catch(() => [])
    found.push(...names.filter((name) => name.startsWith('pod')).map((name) => `/kubepods${tier}/${name}`))
  }
  return found
}

/** Groups can only be removed when empty, children first. One with processes left stays for the next round. */
async function removeTree(path: string): Promise<void> {
  const children = await readdir(path, { withFileTypes: true }).catch(() => undefined)
  if (!children) return
  for (const child of children) if (child.isDirectory()) await removeTree(join(path, child.name))
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'EBUSY') throw error
  })
}
