// `sampan doctor`: what this machine has and lacks, each with what to do about it. Exit code 1 when something a real node needs is missing.
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { DEFAULTS } from './config.ts'
import { runningInstance } from './instance.ts'
import { bytesText, say } from './output.ts'
import { missingNeeds, NEEDS } from './packages.ts'
import type { Platform } from './platform.ts'

interface Finding {
  what: string
  /** ok; bad: a real node will not work; note: worth knowing. */
  verdict: 'ok' | 'bad' | 'note'
  detail: string
}

const LEAST_FREE_BYTES = 512 * 1024 * 1024

export async function doctor({ dataDir }: { dataDir: string }, platform: Platform): Promise<void> {
  const linux = process.platform === 'linux'
  const findings: Finding[] = [
    { what: 'Node.js', verdict: 'ok', detail: process.version },
    linux
      ? { what: 'system', verdict: 'ok', detail: `Linux ${kernelRelease()}` }
      : { what: 'system', verdict: 'bad', detail: `${process.platform}: real nodes need Linux; simulated ones work` },
    process.getuid?.() === 0
      ? { what: 'user', verdict: 'ok', detail: 'root' }
      : { what: 'user', verdict: 'bad', detail: 'not root: real nodes need it; simulated ones work' },
    diskFinding(dataDir),
    await portFinding(dataDir),
    ...(linux ? [...packageFindings(), ...(await kernelFindings(platform))] : []),
  ]
  const width = Math.max(...findings.map(({ what }) => what.length))
  const marks = { ok: 'ok  ', bad: 'FAIL', note: 'note' }
  for (const { what, verdict, detail } of findings) say(`${marks[verdict]}  ${what.padEnd(width)}  ${detail}`)
  const bad = findings.filter(({ verdict }) => verdict === 'bad').length
  say(
    bad === 0
      ? 'everything a real node needs is here'
      : `${bad} thing${bad === 1 ? '' : 's'} missing for a real node; \`sampan up --nodes simulated\` needs none of them`,
  )
  if (bad > 0) process.exitCode = 1
}

function packageFindings(): Finding[] {
  const missing = new Set(missingNeeds())
  return NEEDS.map((need) => ({
    what: need.what,
    verdict: missing.has(need) ? 'bad' : 'ok',
    detail: missing.has(need) ? `not installed: Debian package ${need.package} (\`sampan up\` installs it)` : 'installed',
  }))
}

async function kernelFindings(platform: Platform): Promise<Finding[]> {
  const filesystems = readFileSync('/proc/filesystems', 'utf8')
  const findings: Finding[] = [
    /\toverlay$/m.test(filesystems) || existsSync('/sys/module/overlay')
      ? { what: 'overlayfs', verdict: 'ok', detail: 'supported' }
      : { what: 'overlayfs', verdict: 'bad', detail: 'not in this kernel: try `modprobe overlay`' },
    existsSync('/proc/self/ns/net')
      ? { what: 'network namespaces', verdict: 'ok', detail: 'supported' }
      : { what: 'network namespaces', verdict: 'bad', detail: 'not in this kernel (CONFIG_NET_NS)' },
    cgroupFinding(),
  ]
  const nft = await platform.commands.run(['nft', 'list', 'tables']).catch(() => undefined)
  if (nft) {
    findings.push(
      nft.code === 0
        ? { what: 'nftables', verdict: 'ok', detail: 'the kernel answers' }
        : { what: 'nftables', verdict: 'bad', detail: `${nft.stderr.trim().split('\n')[0]}: run as root, on a kernel with nf_tables` },
    )
  }
  return findings
}

function cgroupFinding(): Finding {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return { what: 'cgroups', verdict: 'ok', detail: 'version 2' }
  if (existsSync('/sys/fs/cgroup/memory'))
    return {
      what: 'cgroups',
      verdict: 'ok',
      detail: existsSync('/sys/fs/cgroup/unified') ? 'version 1 with a unified mount: runc is used, crun cannot' : 'version 1',
    }
  return { what: 'cgroups', verdict: 'bad', detail: 'none mounted at /sys/fs/cgroup' }
}

function diskFinding(dataDir: string): Finding {
  let place = dataDir
  while (!existsSync(place)) place = dirname(place)
  try {
    accessSync(place, constants.W_OK)
  } catch {
    return { what: 'data directory', verdict: 'bad', detail: `${place} is not writable for you: choose another with --data-dir` }
  }
  const { bavail, bsize } = statfsSync(place)
  const free = bavail * bsize
  if (free < LEAST_FREE_BYTES) return { what: 'data directory', verdict: 'bad', detail: `${dataDir}: only ${bytesText(free)} free` }
  return { what: 'data directory', verdict: 'ok', detail: `${dataDir}, ${bytesText(free)} free` }
}

async function portFinding(dataDir: string): Promise<Finding> {
  const running = runningInstance(dataDir)
  if (running) return { what: 'port', verdict: 'note', detail: `in use by the running instance (process ${running.pid})` }
  const free = await new Promise<boolean>((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(DEFAULTS.port, DEFAULTS.host, () => probe.close(() => resolve(true)))
  })
  return free
    ? { what: 'port', verdict: 'ok', detail: `${DEFAULTS.port} is free` }
    : { what: 'port', verdict: 'note', detail: `${DEFAULTS.port} is taken by another program: use \`sampan up --port N\`` }
}

function kernelRelease(): string {
  return readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim()
}
