// A server of its own, requests to it, and for each thing done to it how long its loop stood still.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Access } from './http2-load.ts'
import { ask, type ServerProcess, start, stop } from './server-process.ts'
import type { Usage } from './usage.ts'

export interface Answer {
  status: number
  bytes: number
  /** Of a refusal. */
  text: string
}

/** What a server does beside serving: records whole objects, hides Secrets. */
export type Feature = 'audit' | 'encryption'

export interface TurnsOptions {
  /** A directory; empty: none are taken. */
  profiles: string
  features?: readonly Feature[]
}

/** What follows an answer (a definition is set up) counts too. */
const AFTER_MS = 1500
const SETTLES_MS = 300
const AT_ONCE = 16

export class Turns implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })
  readonly #options: TurnsOptions
  readonly #rows: string[][]
  #server: ServerProcess | undefined

  /** Rows are added as they are measured. */
  constructor(rows: string[][], options: TurnsOptions) {
    this.#rows = rows
    this.#options = options
  }

  get access(): Access {
    return this.#server!.ready
  }

  async start(): Promise<void> {
    const { profiles, features = [] } = this.#options
    this.#server = await start('api-server.ts', [this.#directory, profiles, 'loop', ...features])
  }

  ask(message: string): Promise<Usage> {
    return ask(this.#server!.child, message)
  }

  async send(method: string, path: string, body: unknown = '', headers: Record<string, string> = {}): Promise<Answer> {
    const { url, ca, cert, key } = this.access
    const agent = this.#agent
    const sent = request(`${url}${path}`, { method, ca, cert, key, agent, headers: { 'content-type': 'application/json', ...headers } })
    sent.on('error', () => {})
    sent.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body))
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    let text = ''
    let bytes = 0
    answer.on('data', (part: Buffer) => {
      bytes += part.length
      if ((answer.statusCode ?? 0) >= 300 && text.length < 300) text += part.toString()
    })
    await once(answer, 'close')
    return { status: answer.statusCode ?? 0, text, bytes }
  }

  /** What is answered, of which something is needed. */
  async json(path: string, body?: object): Promise<any> {
    const { url, ca, cert, key } = this.access
    const sent = request(`${url}${path}`, {
      method: body ? 'POST' : 'GET',
      ca,
      cert,
      key,
      agent: this.#agent,
      headers: { 'content-type': 'application/json' },
    })
    sent.end(body && JSON.stringify(body))
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    return JSON.parse(Buffer.concat(await Array.fromAsync(answer)).toString())
  }

  /** What is measured builds on it. */
  async must(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<void> {
    const { status, text } = await this.send(method, path, body, headers)
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`)
  }

  /** A row about what `act` sends and, for `afterMs`, what follows from it. */
  async measure(name: string, act: () => Promise<Answer | void>, afterMs = AFTER_MS): Promise<void> {
    const { profiles } = this.#options
    await pause(SETTLES_MS)
    if (profiles) await this.ask('profile')
    const before = await this.ask('usage')
    const began = performance.now()
    const answer = await act()
    const ms = performance.now() - began
    await pause(afterMs)
    const usage = await this.ask('usage')
    if (profiles) await this.ask(`profiled ${name.replaceAll(/[^\w]+/g, '-')}`)
    const told = answer ? `answered ${answer.status}, ${answer.bytes} bytes, in` : 'done in'
    this.#row(name, usage, `${told} ${ms.toFixed(0)} ms; ${((usage.cpu - before.cpu) * 1000).toFixed(0)} ms of processor time in all`)
  }

  request(name: string, ...sent: Parameters<Turns['send']>): Promise<void> {
    return this.measure(name, () => this.send(...sent))
  }

  /** With what is there, from when its modules are loaded. */
  async restart(name: string): Promise<void> {
    await pause(SETTLES_MS)
    await stop(this.#server!.child)
    const began = performance.now()
    await this.start()
    const ms = performance.now() - began
    await pause(AFTER_MS)
    this.#row(name, await this.ask('usage'), `ready in ${ms.toFixed(0)} ms`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server) await stop(this.#server.child)
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #row(name: string, { stall, turn }: Usage, told: string): void {
    this.#rows.push([`${name}: longest stall`, `${turn.toFixed(0)} ms of processor time (${stall.toFixed(0)} ms passed; ${told})`, '50 ms'])
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** An object of many small members. */
export const members = (bytes: number): Record<string, string> =>
  Object.fromEntries(range(Math.floor(bytes / 19)).map((i) => [`key${i}`, 'value']))

/** A few at a time. */
export async function many(count: number, one: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (next < count) await one(next++)
    }),
  )
}
