// Requests made to keep the server busy: how long the loop stands still for each, and what is answered.
// usage: node bench/stalls.ts [part of a name] [directory for profiles]
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { markdown } from './figures.ts'
import { hostileAnswers, startHostileStranger } from './hostile-answers.ts'
import { HOSTILE, type HostileRequest } from './hostile-requests.ts'
import { ask, start, stop } from './server-process.ts'

const [only = '', profiles = ''] = process.argv.slice(2)
const directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
const server = await start('api-server.ts', [directory, profiles])
const { url, ca, cert, key } = server.ready
await ask(server.child, 'loop')
const stranger = await startHostileStranger()

async function send({ path, type, body, method }: HostileRequest): Promise<number> {
  const verb = method ?? (type.includes('patch') ? 'PATCH' : 'POST')
  const sent = request(`${url}${path}`, { method: verb, ca, cert, key, headers: { 'content-type': type } })
  sent.on('error', () => {})
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
  answer.resume()
  await once(answer, 'close')
  return answer.statusCode ?? 0
}

try {
  const rows: string[][] = []
  for (const hostile of [...HOSTILE, ...hostileAnswers(stranger)]) {
    const { name, prepares } = hostile
    if (prepares || !name.includes(only)) {
      await send(hostile)
      await new Promise((resolve) => setTimeout(resolve, 200))
      continue
    }
    if (profiles) await ask(server.child, 'profile')
    const before = await ask(server.child, 'usage')
    const began = performance.now()
    const status = await send(hostile)
    const ms = performance.now() - began
    // What follows an answer (a definition is set up) counts too.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const { stall, turn, cpu } = await ask(server.child, 'usage')
    if (profiles) await ask(server.child, `profiled ${name.replaceAll(/[^\w]+/g, '-')}`)
    rows.push([
      `${name}: longest stall`,
      `${turn.toFixed(0)} ms of processor time (${stall.toFixed(0)} ms passed; answered ${status} in ${ms.toFixed(0)} ms; ${((cpu - before.cpu) * 1000).toFixed(0)} ms of processor time in all)`,
      '50 ms',
    ])
  }
  console.log(markdown(['figure', 'measured', 'bound'], rows))
} finally {
  await stop(server.child)
  await stranger[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
