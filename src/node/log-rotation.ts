// Container logs kept within bounds: a log of 10 MiB is set aside and compressed, four of those are kept beside the current one.
import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Runtime } from './runtime.ts'

const MAX_BYTES = 10 * 1024 * 1024
const MAX_FILES = 5
const PERIOD_MS = 10_000

export interface LogRotationOptions {
  runtime: Pick<Runtime, 'reopenContainerLog'>
  clock: Clock
  log: Logger
  /** Absolute paths of the logs of running containers. */
  logs(): readonly { containerId: string; path: string }[]
}

export function startLogRotation(options: LogRotationOptions): Disposable {
  let busy = false
  return options.clock.every(PERIOD_MS, () => {
    if (busy) return
    busy = true
    void rotateLogs(options).finally(() => {
      busy = false
    })
  })
}

async function rotateLogs(options: LogRotationOptions): Promise<void> {
  for (const { containerId, path } of options.logs()) {
    try {
      const { size } = await stat(path)
      if (size >= MAX_BYTES) await rotate(containerId, path, options)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') options.log.warn('could not rotate a log', { path, error })
    }
  }
}

async function rotate(containerId: string, path: string, { runtime, clock }: LogRotationOptions): Promise<void> {
  const stamp = new Date(clock.now()).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')
  const older = await rotatedLogs(path)
  // What readers may still follow stays as it is; the ones before are compressed.
  for (const file of older) if (!file.endsWith('.gz')) await compress(file)
  const kept = (await rotatedLogs(path)).sort()
  for (const file of kept.slice(0, Math.max(0, kept.length - (MAX_FILES - 2)))) await rm(file, { force: true })
  const aside = `${path}.${stamp}`
  await rename(path, aside)
  try {
    await runtime.reopenContainerLog(containerId)
  } catch (error) {
    await rename(aside, path)
    throw error
  }
}

async function rotatedLogs(path: string): Promise<string[]> {
  const directory = dirname(path)
  const prefix = `${basename(path)}.`
  const names = await readdir(directory)
  return names.filter((name) => name.startsWith(prefix) && !name.endsWith('.tmp')).map((name) => join(directory, name))
}

async function compress(path: string): Promise<void> {
  const next = `${path}.gz.tmp`
  await pipeline(createReadStream(path), createGzip(), createWriteStream(next, { mode: 0o640 }))
  await rename(next, `${path}.gz`)
  await rm(path)
}
