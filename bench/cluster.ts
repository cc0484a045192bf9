// The figures of a whole cluster: start, idle, pod start, durable creates beside etcd. Prints the tables of docs/benchmarks.md.
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { loadTestImages } from '../interop/images/load.ts'
import { Instance, noRealNode } from '../interop/instance.ts'
import { noEtcd, startEtcd } from './etcd.ts'
import { markdown, median, quantile, rate } from './figures.ts'

const STARTS = 7
const PODS = 20
const CREATES = 2000
const IDLE_SECONDS = 60

const wanted = new Set(process.argv.slice(2))
const asked = (name: string) => wanted.size === 0 || wanted.has(name)
const rows: string[][] = []
const row = (figure: string, value: string, bound = '') => {
  rows.push([figure, value, bound])
  console.log(`${figure}: ${value}${bound ? ` (bound: ${bound})` : ''}`)
}
const ms = (value: number) => `${Math.round(value)} ms`

async function starts(nodes: 'real' | `simulated:${number}`, bound: string): Promise<void> {
  const instance = await Instance.start({ nodes, args: ['--port', nodes === 'real' ? '6443' : '0'] })
  const times: number[] = []
  try {
    for (let i = 0; i < STARTS; i++) {
      await instance.down()
      await instance.up()
      times.push(Number(/^ready in (\d+) ms$/m.exec(instance.output)?.[1]))
    }
  } finally {
    await instance[Symbol.asyncDispose]()
  }
  row(`second start to ready, ${nodes} node`, `${ms(median(times))} (${ms(Math.min(...times))} to ${ms(Math.max(...times))})`, bound)
}

async function idle(nodes: 'real' | `simulated:${number}`): Promise<void> {
  await using instance = await Instance.start({ nodes })
  await sleep(10_000)
  const before = cpuSeconds(instance.pid)
  await sleep(IDLE_SECONDS * 1000)
  const share = ((cpuSeconds(instance.pid) - before) / IDLE_SECONDS) * 100
  const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${instance.pid}/status`, 'utf8'))?.[1]) / 1024
  row(`idle memory, ${nodes} node`, `${resident.toFixed(0)} MB resident`, '130 MB')
  row(`idle processor, ${nodes} node`, `${share.toFixed(2)} % of a core over ${IDLE_SECONDS} s`, '0.5 %')
}

async function podStarts(): Promise<void> {
  await using instance = await Instance.start({ nodes: 'real' })
  await loadTestImages(instance)
  // The clock runs inside the namespaces, beside the server: kubectl's own start would be measured otherwise.
  const { stdout, stderr, code } = await instance.inside(
    [process.execPath, new URL('pod-start.ts', import.meta.url).pathname, instance.kubeconfig, String(PODS)],
    { timeoutMs: 300_000 },
  )
  if (code !== 0) throw new Error(stderr)
  const { total, parts } = JSON.parse(stdout) as { total: number[]; parts: Record<string, number[]> }
  row('pod create to Running, image present', `${ms(median(total))} median, ${ms(quantile(total, 0.9))} p90`, '300 ms')
  for (const [name, values] of Object.entries(parts)) row(`- of which ${name}`, ms(median(values)))
}

async function creates(): Promise<void> {
  await using instance = await Instance.start({ nodes: 'none' })
  const { stdout, stderr, code } = await instance.inside(
    [process.execPath, new URL('creates.ts', import.meta.url).pathname, instance.kubeconfig, String(CREATES)],
    { timeoutMs: 300_000 },
  )
  if (code !== 0) throw new Error(stderr)
  const own = JSON.parse(stdout) as Record<string, number>
  const value = Buffer.alloc(1024, 'x')
  for (const workers of [1, 32]) {
    let etcd = NaN
    if (!noEtcd) {
      await using peer = await startEtcd(instance.directory)
      etcd = await rate(CREATES, workers, (i) => peer.create(`/registry/configmaps/bench/c${workers}-${i}`, value))
    }
    row(
      `durable creates, ${workers} client${workers > 1 ? 's' : ''}`,
      `${Math.round(own[workers]!)}/s; etcd alone ${noEtcd || `${Math.round(etcd)}/s, ratio ${(own[workers]! / etcd).toFixed(2)}`}`,
    )
  }
}

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const sleep = (delayMs: number) => new Promise<void>((resolve) => setTimeout(resolve, delayMs))

if (asked('start')) {
  await starts('simulated:1', '1.0 s')
  if (!noRealNode) await starts('real', '2.0 s')
}
if (asked('pods') && !noRealNode) await podStarts()
if (asked('creates')) await creates()
if (asked('idle')) {
  await idle('simulated:1')
  if (!noRealNode) await idle('real')
}
console.log(
  `\n${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, Linux ${readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim()}\n`,
)
console.log(markdown(['figure', 'measured', 'bound'], rows))
