// The audit log: what comes while a block is being written goes out in the next one. Rotated by size; old files go by age and number. Only its
// owner may read it.
import { createWriteStream } from 'node:fs'
import { chmod, type FileHandle, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Clock } from '#lib/clock.ts'
import { makeDirectories } from '#lib/make-directories.ts'
import type { AuditSink } from './delivery.ts'

export interface AuditLogOptions {
  /** `-` is standard output. */
  path: string
  maxSizeMegabytes: number
  /** 0: however old. */
  maxAgeDays: number
  /** 0: however many. */
  maxBackups: number
}

const DAY_MS = 24 * 60 * 60 * 1000

export class AuditLog implements AuditSink {
  readonly name = 'log'
  readonly #options: AuditLogOptions
  readonly #clock: Clock
  #waiting: string[] = []
  #next: Promise<void> | undefined
  #writing: Promise<void> = Promise.resolve()
  #file: { handle: FileHandle; size: number } | undefined

  constructor(options: AuditLogOptions, { clock }: { clock: Clock }) {
    this.#options = options
    this.#clock = clock
    if (options.path !== '-') makeDirectories(dirname(options.path), { mode: 0o700 })
  }

  /** Resolves when they are in the file, in the order in which they came. */
  deliver(events: readonly string[]): Promise<void> {
    this.#waiting.push(...events)
    if (this.#next) return this.#next
    const before = this.#writing
    this.#next = before.then(() => {
      const block = Buffer.from(`${this.#waiting.join('\n')}\n`)
      this.#waiting = []
      this.#next = undefined
      return this.#append(block)
    })
    this.#writing = this.#next.catch(() => this.#close().catch(() => {}))
    return this.#next
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await this.#close()
  }

  async #close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.handle.close()
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
