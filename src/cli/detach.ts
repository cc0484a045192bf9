// `--detach`: the same command started again in the background, and waited for until it is ready or has failed.
import { spawn } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError } from './errors.ts'
import { flagFor, inUse, makeDataDirectory, runningInstance, unusable } from './instance.ts'
import { say } from './output.ts'
import type { Platform } from './platform.ts'
import { stopSignal } from './stop-signal.ts'

const START_TIMEOUT_MS = 120_000

export async function detach({ dataDir }: { dataDir: string }, platform: Platform): Promise<void> {
  const running = runningInstance(dataDir)
  if (running) throw inUse(dataDir, running)
  makeDataDirectory(dataDir)
  const output = join(dataDir, 'up.out')
  const descriptor = openOutput(dataDir, output)
  const words = process.argv.slice(1).filter((word) => word !== '--detach')
  const child = spawn(process.execPath, [...process.execArgv, ...words], { detached: true, stdio: ['ignore', descriptor, descriptor] })
  let code: number | null | undefined
  child.on('exit', (exitCode) => (code = exitCode ?? 1))
  // A terminal that closes is no reason to stop: this is to outlive it.
  const abort = new AbortController()
  void stopSignal(abort, ['SIGINT', 'SIGTERM']).then(() => child.kill('SIGTERM'))
  const began = platform.clock.monotonic()
  while (abort.signal.aborted || runningInstance(dataDir)?.readyAt === undefined) {
    if (code !== undefined && abort.signal.aborted) {
      say('stopped before it was ready')
      process.exitCode = 130
      return
    }
    if (code !== undefined || platform.clock.monotonic() - began > START_TIMEOUT_MS) {
      process.stderr.write(readFileSync(output, 'utf8'))
      if (code === undefined) {
        child.kill('SIGTERM')
        child.unref()
        throw new CommandError(`not ready after ${START_TIMEOUT_MS / 1000} s, and stopped; ${join(dataDir, 'sampan.log')} may say why`)
      }
      process.exitCode = code || 1
      return
    }
    await platform.clock.sleep(10)
  }
  child.unref()
  process.stdout.write(readFileSync(output, 'utf8'))
  say(`running in the background (process ${child.pid}); stop it with \`sampan down${flagFor(dataDir)}\``)
}

function openOutput(dataDirectory: string, file: string): number {
  try {
    return openSync(file, 'w', 0o600)
  } catch (error) {
    throw unusable(dataDirectory, error)
  }
}
