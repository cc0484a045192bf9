// The figures of a whole cluster: start, idle, pod start, durable creates beside etcd. Prints the tables of docs/benchmarks.md.
import { readFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { noEtcd } from '#store/etcd/testing.ts'
import { loadTestImages } from '../interop/images/load.ts'
import { Instance, noRealNode } from '../interop/instance.ts'
import { startEtcd } from './etcd.ts'
import { markdown, median, quantile, rate } from './figures.ts'
import { cpuSeconds } from './processor-time.ts'

const STARTS = 7
const PODS = 20
const CREATES = 2000
const CREATE_ROUNDS = 5
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
  const whole: number[] = []
  try {
    for (let i = 0; i < STARTS; i++) {
      await instance.down()
      const began = performance.now()
      await instance.up()
      whole.push(performance.now() - began)
      times.push(Number(/^ready in (\d+) ms$/m.exec(instance.output)?.[1]))
    }
  } finally {
    await instance[Symbol.asyncDispose]()
  }
  const range = (values: number[]) => `${ms(median(values))} (${ms(Math.min(...values))} to ${ms(Math.max(...values))})`
  row(`second start to ready, ${nodes} node`, range(times), bound)
  row('- from the shell command to the line that says so', range(whole))
}

async function idle(nodes: 'real' | `simulated:${number}`): Promise<void> {
  await using instance = await Instance.start({ nodes })
  await sleep(10_000)
  const before = cpuSeconds(instance.pid)
  await sleep(IDLE_SECONDS * 1000)
  const share = ((cpuSeconds(instance.pid) - before) / IDLE_SECONDS) * 100
  const resident = (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${instance.pid}/status`, 'utf8'))?.[1]) * 1024) / 1e6
  row(`idle memory, ${nodes} node`, `${resident.toFixed(0)} MB resident`, '130 MB')
  row(`idle processor, ${nodes} node`, `${share.toFixed(2)} % of a core over ${IDLE_SECONDS} s`, '0.5 %')
}

async function podStarts(): Promise<void> {
  await using instance = await Instance.start({ nodes: 'real' })
  await loadTestImages(instance)
  // The clock runs inside the namespaces, beside the server: kubectl's own start would be measured otherwise.
  const socket = join(instance.directory, 'containerd', 'containerd.sock')
  const { stdout, stderr, code } = await instance.inside(
    [process.execPath, new URL('pod-start.ts', import.meta.url).pathname, instance.kubeconfig, socket, String(PODS)],
    { timeoutMs: 600_000 },
  )
  if (code !== 0) throw new Error(stderr)
  const { api, cri } = JSON.parse(stdout) as Record<'api' | 'cri', Record<string, number[]>>
  const told = ({ total = [], ...parts }: Record<string, number[]>, name: string, bound: string) => {
    row(name, `${ms(median(total))} median, ${ms(Math.min(...total))} to ${ms(quantile(total, 0.9))} p90`, bound)
    for (const [part, values] of Object.entries(parts)) row(`- of which ${part}`, ms(median(values)))
  }
  told(api, 'pod create to Running, image present', '300 ms')
  told(cri, 'the same container by CRI calls alone, in turn with it', '')
  const own = api.total!.map((total, i) => total - cri.total![i]!)
  row('what Sampan adds: median of the differences', ms(median(own)))
}

async function creates(): Promise<void> {
  await using instance = await Instance.start({ nodes: 'none' })
  await using etcd = noEtcd ? undefined : await startEtcd(instance.directory)
  const value = Buffer.alloc(1024, 'x')
  const own: Record<number, number[]> = { 1: [], 32: [] }
  const theirs: Record<number, number[]> = { 1: [], 32: [] }
  // In turns: what else the machine does is shared by both. The first round only warms up.
  for (let round = 0; round <= CREATE_ROUNDS; round++) {
    for (const workers of [1, 32]) {
      const count = String(workers === 1 ? CREATES / 4 : CREATES)
      const { stdout, stderr, code } = await instance.inside(
        [process.execPath, new URL('creates.ts', import.meta.url).pathname, instance.kubeconfig, String(workers), count, `r${round}`],
        { timeoutMs: 300_000 },
      )
      if (code !== 0) throw new Error(stderr)
      const path = (i: number) => `/registry/configmaps/bench/r${round}-c${workers}-${i}`
      const peer = etcd && (await rate(Number(count), workers, (i) => etcd.create(path(i), value)))
      if (round === 0) continue
      own[workers]!.push(Number(stdout))
      if (peer) theirs[workers]!.push(peer)
    }
  }
  for (const workers of [1, 32]) {
    const [ours, peer] = [median(own[workers]!), median(theirs[workers]!)]
    const beside = noEtcd || `${Math.round(peer)}/s, ratio ${(ours / peer).toFixed(2)}`
    row(
      `durable creates through the API, ${workers} client${workers > 1 ? 's' : ''}`,
      `${Math.round(ours)}/s; etcd's own transactions ${beside}`,
    )
  }
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
