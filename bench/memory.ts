// 100,000 pods of 3.5 KB: what each costs in memory, how long the collector stops the server while they are updated, how long a restart takes.
// usage: node bench/memory.ts
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { markdown } from './figures.ts'
import { LoadConnection } from './http2-load.ts'
import { ask, type ServerProcess, start, stop } from './server-process.ts'

const COUNT = 100_000
const UPDATES = 10_000
const directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
const flags = ['--expose-gc']
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'seed', labels: { app: 'bench' }, annotations: { filler: 'x'.repeat(1150) } },
  spec: { containers: [{ name: 'c', image: 'busybox:1', env: [{ name: 'A', value: 'b' }], ports: [{ containerPort: 80 }] }] },
}

async function firstAnswer({ ready }: ServerProcess): Promise<LoadConnection> {
  const connection = await LoadConnection.open(ready)
  const { status } = await connection.request('/api/v1/namespaces/default')
  if (status !== 200) throw new Error(`answered ${status}`)
  return connection
}

let server = await start('api-server.ts', [directory], flags)
try {
  const empty = await ask(server.child, 'collect')
  const first = await firstAnswer(server)
  await first.request('/api/v1/namespaces/listed/pods', Buffer.from(JSON.stringify(pod)))
  const { bytes } = await first.request('/api/v1/namespaces/listed/pods/seed')
  first[Symbol.dispose]()
  await ask(server.child, `fill ${COUNT}`)
  await stop(server.child)

  const began = performance.now()
  server = await start('api-server.ts', [directory], flags)
  const again = await firstAnswer(server)
  const restartMs = performance.now() - began
  again[Symbol.dispose]()
  const { cpu } = await ask(server.child, 'usage')
  const full = await ask(server.child, 'collect')
  await ask(server.child, 'loop')
  await ask(server.child, 'usage')
  const before = performance.now()
  await ask(server.child, `update ${UPDATES}`)
  const rate = (UPDATES / (performance.now() - before)) * 1000
  const after = await ask(server.child, 'usage')
  const each = (of: 'rss' | 'anonymous') => ((full[of] - empty[of]) / COUNT / 1000).toFixed(2)
  const rows = [
    [
      `memory of each of ${COUNT.toLocaleString('en')} pods of ${bytes} B`,
      `${each('anonymous')} kB (with pages of the mapped file ${each('rss')} kB)`,
      '6 KB',
    ],
    [
      `worst pause of the collector under ${rate.toFixed(0)} updates/s`,
      `${after.worst.toFixed(1)} ms (longest stall of the loop ${after.stall.toFixed(1)} ms)`,
      '50 ms',
    ],
    [
      'restart, from the program to its first answer',
      `${restartMs.toFixed(0)} ms, ${(cpu * 1000).toFixed(0)} ms of processor time`,
      '2,000 ms',
    ],
  ]
  console.log(markdown(['figure', 'measured', 'bound'], rows))
} finally {
  await stop(server.child)
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
