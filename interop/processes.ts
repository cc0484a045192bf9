// A cluster in processes of their own on one etcd, for tests: API servers that share keys, and whatever acts against one of them. Disposing ends all.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHttpClient, type HttpClient } from '#client/http-client.ts'
import { readKubeconfig } from '#client/kubeconfig.ts'
import { systemClock } from '#lib/clock.ts'
import { lastingPort, startEtcd } from '#store/etcd/testing.ts'
import { root, run } from './instance.ts'

const sampan = join(root, 'sampan')
const PATIENCE_MS = 300_000

export interface ServerProcess {
  readonly kubeconfig: string
  readonly client: HttpClient
  kill(): void
}

export interface Processes extends AsyncDisposable {
  readonly home: string
  readonly pki: string
  /** The first makes the keys. On the port it had before, where it is started again. */
  serve(name: string): Promise<ServerProcess>
  /** Resolves once it has said something. */
  act(...words: string[]): Promise<ChildProcess>
}

export async function startProcesses(): Promise<Processes> {
  const etcd = await startEtcd()
  const parts = new AsyncDisposableStack()
  const home = mkdtempSync(join(tmpdir(), 'sampan-separate-'))
  parts.defer(() => rmSync(home, { recursive: true, force: true }))
  parts.use(etcd)
  const store = `etcd:http://${etcd.address.host}:${etcd.address.port}`
  const pki = join(home, 'pki')
  const ports = new Map<string, string>()

  const serve = async (name: string): Promise<ServerProcess> => {
    const [data, kubeconfig] = [join(home, name), join(home, `${name}.kubeconfig`)]
    const port = ports.get(name) ?? String(await lastingPort(etcd.address.port + 2 + ports.size))
    const words = ['--store', store, '--data-dir', data, '--pki-dir', pki, '--kubeconfig', kubeconfig, '--port', port, '--detach']
    const { code, stderr } = await run([sampan, 'server', ...words])
    assert.equal(code, 0, stderr)
    const access = readKubeconfig(kubeconfig)
    if (!ports.has(name)) parts.defer(async () => void (await run([sampan, 'down', '--data-dir', data])))
    ports.set(name, port)
    const client = parts.use(createHttpClient(access))
    const { pid } = JSON.parse(readFileSync(join(data, 'instance.json'), 'utf8')) as { pid: number }
    return { kubeconfig, client, kill: () => process.kill(pid, 'SIGKILL') }
  }
  const act = async (...words: string[]): Promise<ChildProcess> => {
    const child = spawn(sampan, words, { stdio: ['ignore', 'pipe', 'ignore'] })
    parts.defer(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill()
      await ended
    })
    // It may say before that where its pages are, or that somebody has their port.
    let said = ''
    const ready = Promise.withResolvers<void>()
    child.stdout!.setEncoding('utf8').on('data', (text) => {
      said += text
      if (said.includes(' for https://')) ready.resolve()
    })
    child.on('exit', (code, signal) => ready.reject(new Error(`sampan ${words.join(' ')} ended with ${code ?? signal}: ${said}`)))
    await ready.promise
    return child
  }
  return { home, pki, serve, act, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

export async function until<T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = systemClock.monotonic() + PATIENCE_MS
  let fault: unknown
  for (;;) {
    const result = await check().catch((error: unknown) => void (fault = error))
    if (result) return result
    if (systemClock.monotonic() > deadline) throw new Error(`${what} did not come about`, { cause: fault })
    await systemClock.sleep(100)
  }
}
