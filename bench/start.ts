// The whole API server from the start of its program to its first answer over TLS: on an empty directory, and on one that has been used.
// usage: node bench/start.ts
import { mkdtempSync, rmSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { markdown, median } from './figures.ts'
import { LoadConnection } from './http2-load.ts'
import { ask, start } from './server-process.ts'

const ROUNDS = 7
const root = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
// Compiled code is kept between starts, as by the program itself; children inherit where.
enableCompileCache(join(root, 'compiled'))
process.env['NODE_COMPILE_CACHE'] = join(root, 'compiled')

interface Took {
  ms: number
  cpuMs: number
}

async function once(directory: string): Promise<Took> {
  const began = performance.now()
  const server = await start('api-server.ts', [directory])
  const connection = await LoadConnection.open(server.ready)
  const { status } = await connection.request('/api/v1/namespaces/default')
  const ms = performance.now() - began
  if (status !== 200) throw new Error(`answered ${status}`)
  connection[Symbol.dispose]()
  const { cpu } = await ask(server.child, 'usage')
  server.child.send('leave')
  await new Promise((resolve) => server.child.once('exit', resolve))
  return { ms, cpuMs: cpu * 1000 }
}

try {
  await once(join(root, 'warm'))
  const fresh: Took[] = []
  const used: Took[] = []
  for (let round = 0; round < ROUNDS; round++) {
    fresh.push(await once(join(root, String(round))))
    used.push(await once(join(root, 'warm')))
  }
  const told = (all: Took[]) => {
    const times = all.map(({ ms }) => ms)
    const cpu = median(all.map(({ cpuMs }) => cpuMs))
    return `${median(times).toFixed(0)} ms (${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)}), ${cpu.toFixed(0)} ms of processor time`
  }
  console.log(
    markdown(
      ['figure', 'measured', 'bound'],
      [
        ['start to first answer, keys and objects to be made', told(fresh), '300 ms'],
        ['start to first answer, again', told(used), '300 ms'],
      ],
    ),
  )
} finally {
  rmSync(root, { recursive: true, force: true })
}
process.exit(0)
