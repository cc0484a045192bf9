// The audit log: lines wait in memory, within a bound, and are appended a block at a time, beside the event loop. Rotated by size; old files go by
// age and number. Only its owner may read it.
import { createWriteStream, mkdirSync } from 'node:fs'
import { chmod, type FileHandle, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Clock } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { AuditBackend } from './auditor.ts'

export interface AuditLogOptions {
  /** `-` is standard output. */
  path: string
  maxSizeMegabytes: number
  /** 0: however old. */
  maxAgeDays: number
  /** 0: however many. */
  maxBackups: number
}

const MAX_WAITING_BYTES = 32 * 1024 * 1024
const BATCH_MS = 20
const DAY_MS = 24 * 60 * 60 * 1000

export class AuditLog implements AuditBackend {
  readonly name = 'log'
  failures = 0
  readonly #options: AuditLogOptions
  readonly #clock: Clock
  readonly #log: Logger
  readonly #maxWaiting: number
  #waiting: string[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  #file: { handle: FileHandle; size: number } | undefined

  constructor(
    options: AuditLogOptions,
    { clock, log, maxWaitingBytes = MAX_WAITING_BYTES }: { clock: Clock; log: Logger; maxWaitingBytes?: number },
  ) {
    this.#options = options
    this.#clock = clock
    this.#log = log
    this.#maxWaiting = maxWaitingBytes
    if (options.path !== '-') mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 })
  }

  write(line: string): boolean {
    if (this.#waitingBytes + line.length > this.#maxWaiting) return false
    this.#waiting.push(line)
    this.#waitingBytes += line.length
    this.#writing ??= this.#drain()
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#writing) await this.#writing
    await this.#file?.handle.close()
    this.#file = undefined
  }

  async #drain(): Promise<void> {
    // What comes in the same moment goes out in one piece.
    await new Promise<void>((resolve) => this.#clock.after(BATCH_MS, resolve))
    while (this.#waiting.length > 0) {
      const lines = this.#waiting
      this.#waiting = []
      try {
        await this.#append(Buffer.from(lines.join('')))
      } catch (error) {
        this.failures += lines.length
        this.#log.error('the audit log cannot be written', { path: this.#options.path, error })
        await this.#file?.handle.close().catch(() => {})
        this.#file = undefined
      }
      this.#waitingBytes = this.#waiting.reduce((sum, { length }) => sum + length, 0)
    }
    this.#writing = undefined
  }

  async #append(block: Buffer): Promise<void> {
    const { path, maxSizeMegabytes } = this.#options
    if (path === '-') return new Promise((resolve) => createWriteStream('', { fd: 1, autoClose: false }).end(block, () => resolve()))
    this.#file ??= await openLog(path)
    if (this.#file.size > 0 && this.#file.size + block.length > maxSizeMegabytes * 1024 * 1024) {
      await this.#file.handle.close()
      this.#file = undefined
      await this.#rotate()
      this.#file = await openLog(path)
    }
    const { handle } = this.#file
    for (let at = 0; at < block.length; ) at += (await handle.write(block, at)).bytesWritten
    this.#file.size += block.length
  }

  async #rotate(): Promise<void> {
    const { path, maxAgeDays, maxBackups } = this.#options
    const extension = extname(path)
    const stem = basename(path, extension)
    const now = this.#clock.now()
    const stamp = new Date(now).toISOString().replaceAll(':', '-').slice(0, -1)
    await rename(path, join(dirname(path), `${stem}-${stamp}${extension}`))
    const backups: { name: string; time: number }[] = []
    for (const name of await readdir(dirname(path))) {
      const match =
        name.startsWith(`${stem}-`) && name.endsWith(extension)
          ? /(\d{4}-\d\d-\d\dT)(\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(name.slice(0, name.length - extension.length))
          : null
      if (match) backups.push({ name, time: Date.parse(`${match[1]}${match[2]}:${match[3]}:${match[4]}Z`) })
    }
    backups.sort((a, b) => b.time - a.time)
    for (const [at, { name, time }] of backups.entries())
      if ((maxBackups > 0 && at >= maxBackups) || (maxAgeDays > 0 && now - time > maxAgeDays * DAY_MS)) await rm(join(dirname(path), name))
  }
}

async function openLog(path: string): Promise<{ handle: FileHandle; size: number }> {
  const handle = await open(path, 'a', 0o600)
  await chmod(path, 0o600)
  return { handle, size: (await handle.stat()).size }
}
