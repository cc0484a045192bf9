// `sampan server` from the start of its process to its first answer over TLS: on an empty directory, and on one that has been used.
// usage: node bench/start.ts [OTHER TREE, to compare with in turns]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { markdown, median } from './figures.ts'
import { LoadConnection } from './http2-load.ts'
import { cpuSeconds } from './processor-time.ts'

const ROUNDS = 7
/** As the launcher starts it. */
const FLAGS = ['--min-semi-space-size=2', '--max-semi-space-size=16', '--disable-warning=ExperimentalWarning']
/** When a process keeps what it has compiled, and some time more. */
const KEPT_MS = 3000
const root = mkdtempSync(join(tmpdir(), 'sampan-bench-'))

interface Took {
  ms: number
  cpuMs: number
}

/** `settleMs`: how long it is left alone before it is stopped. */
async function begin(tree: string, directory: string, settleMs = 0): Promise<Took> {
  const began = performance.now()
  const words = ['server', '--port', '0', '--data-dir', directory, '--kubeconfig', join(directory, 'kubeconfig')]
  const child = spawn(process.execPath, [...FLAGS, join(tree, 'src/main.ts'), ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Compiled code is kept between starts, as by the program itself.
    env: { ...process.env, NODE_COMPILE_CACHE: join(root, tree.replaceAll('/', '-')) },
  })
  const gone = once(child, 'exit')
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text).includes('ready in') && resolve())
    void gone.then(() => reject(new Error(`ended early: ${said}`)))
  })
  const read = (name: string) => readFileSync(join(directory, 'pki', name), 'utf8')
  const access = { url: /https:\S+/.exec(said)![0], ca: read('ca.crt'), cert: read('admin.crt'), key: read('admin.key') }
  const connection = await LoadConnection.open(access)
  const { status } = await connection.request('/api/v1/namespaces/default')
  const ms = performance.now() - began
  const cpuMs = cpuSeconds(child.pid!) * 1000
  if (status !== 200) throw new Error(`answered ${status}`)
  connection[Symbol.dispose]()
  await new Promise((resolve) => setTimeout(resolve, settleMs))
  child.kill()
  await gone
  return { ms, cpuMs }
}

const trees = [fileURLToPath(new URL('..', import.meta.url)), ...process.argv.slice(2)]
const told = (all: Took[]) => {
  const times = all.map(({ ms }) => ms)
  const cpu = median(all.map(({ cpuMs }) => cpuMs))
  return `${median(times).toFixed(0)} ms (${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)}), ${cpu.toFixed(0)} ms of processor time`
}
try {
  const taken = trees.map((tree, number) => ({ tree, place: join(root, `data-${number}`), fresh: [] as Took[], used: [] as Took[] }))
  for (const { tree, place } of taken) for (const name of ['used', 'other']) await begin(tree, join(place, name), KEPT_MS)
  for (let round = 0; round < ROUNDS; round++)
    for (const { tree, place, fresh, used } of taken) {
      fresh.push(await begin(tree, join(place, String(round))))
      used.push(await begin(tree, join(place, 'used')))
    }
  for (const { tree, fresh, used } of taken) {
    if (trees.length > 1) console.log(`\n${tree}`)
    const rows = [
      ['start to first answer, keys and objects to be made', told(fresh), '300 ms'],
      ['start to first answer, again', told(used), '300 ms'],
    ]
    console.log(markdown(['figure', 'measured', 'bound'], rows))
  }
} finally {
  rmSync(root, { recursive: true, force: true })
}
process.exit(0)
