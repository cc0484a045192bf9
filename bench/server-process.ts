// Servers under measurement, in processes of their own and with the flags of a cluster's.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Access } from './http2-load.ts'
import type { Usage } from './usage.ts'

export interface ServerProcess {
  child: ChildProcess
  ready: Access
}

/** Resolves once it listens. */
export async function start(program: string, args: string[], flags: string[] = []): Promise<ServerProcess> {
  const sources = fileURLToPath(new URL('sources.ts', import.meta.url))
  const child = fork(new URL(program, import.meta.url), args, { execArgv: ['--import', sources, '--max-semi-space-size=16', ...flags] })
  const [ready] = (await once(child, 'message')) as [Access]
  return { child, ready }
}

/** Resolves when it has done what the message asks. */
export async function ask(child: ChildProcess, message: string): Promise<Usage> {
  const answer = once(child, 'message')
  child.send(message)
  return (await answer)[0] as Usage
}

export async function stop(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill()
  await gone
}
