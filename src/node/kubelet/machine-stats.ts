// What the machine uses, from /proc: CPU time, memory, network, and the file system of the data.
import { readFileSync, statfsSync } from 'node:fs'

export interface MachineStats {
  cpuUsageNanoSeconds: number
  memoryTotalBytes: number
  memoryAvailableBytes: number
  memoryUsageBytes: number
  memoryWorkingSetBytes: number
  /** Epoch milliseconds. */
  bootTime: number
  network: { name: string; rxBytes: number; rxErrors: number; txBytes: number; txErrors: number }[]
}

/** /proc/stat counts in USER_HZ, which is 100 on every Linux there is. */
const NANOSECONDS_PER_TICK = 10_000_000

export function readMachineStats(read: (path: string) => string = (path) => readFileSync(path, 'utf8')): MachineStats {
  const stat = read('/proc/stat')
  // user nice system idle iowait irq softirq steal
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number)
  const meminfo = read('/proc/meminfo')
  const bytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? 0) * 1024
  const total = bytes('MemTotal')
  const used = total - bytes('MemFree')
  return {
    cpuUsageNanoSeconds: (user + nice + system + irq + softirq + steal) * NANOSECONDS_PER_TICK,
    memoryTotalBytes: total,
    memoryAvailableBytes: bytes('MemAvailable'),
    memoryUsageBytes: used,
    memoryWorkingSetBytes: Math.max(0, used - bytes('Inactive\\(file\\)')),
    bootTime: Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0) * 1000,
    network: read('/proc/net/dev')
      .split('\n')
      .slice(2)
      .filter(Boolean)
      .map((line) => {
        const [name = '', counters = ''] = line.split(':')
        const [rxBytes = 0, , rxErrors = 0, , , , , , txBytes = 0, , txErrors = 0] = counters.trim().split(/ +/).map(Number)
        return { name: name.trim(), rxBytes, rxErrors, txBytes, txErrors }
      }),
  }
}

export function readFileSystem(path: string): {
  capacityBytes: number
  availableBytes: number
  usedBytes: number
  inodes: number
  inodesFree: number
} {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path)
  return {
    capacityBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodes: files,
    inodesFree: ffree,
  }
}
