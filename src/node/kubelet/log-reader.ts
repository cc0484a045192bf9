// Reads a container's log file for people: tail, since, timestamps, byte limit, one stream or both, and following over rotations until the
// container has ended. Reads in pieces and only as fast as the taker takes.
import { watch } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Clock } from '#lib/clock.ts'
import { parseLogLine } from './log-line.ts'

export interface LogOptions {
  follow: boolean
  /** undefined: all. */
  tailLines?: number
  /** Epoch milliseconds: nothing older. */
  since?: number
  timestamps: boolean
  limitBytes?: number
  stream?: 'stdout' | 'stderr'
}

export interface LogSource {
  path: string
  /** Whether more may be written. */
  running(): boolean
  clock: Clock
  signal: AbortSignal
}

const PIECE_BYTES = 64 * 1024
/** Runtimes cut lines at 16 KiB; a file that has longer ones is not a container log. */
const LINE_LIMIT = 1024 * 1024
const NEWLINE = 0x0a
/** Containers end without a sign in the file system. */
const CHECK_MS = 250

export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<Buffer, void> {
  const formatter = new LogFormatter(options)
  const files = new LogFiles(source.path)
  // Watching begins before reading, so that nothing written between is missed.
  using changes = options.follow ? watchFile(source) : undefined
  try {
    let position = options.tailLines === undefined ? 0 : await tailStart(await files.current(), options.tailLines)
    for (;;) {
      // Asked before reading: what a container wrote last is in the file when it is seen to have ended.
      const running = source.running()
      const file = await files.current()
      for await (const piece of linesFrom(file, position, (next) => (position = next))) {
        const text = formatter.format(piece)
        if (text.length > 0) yield text
        if (formatter.full || source.signal.aborted) return
      }
      if (!changes || source.signal.aborted) return
      if (await files.advance(position)) {
        position = 0
        continue
      }
      if (!running) return
      await changes.next()
    }
  } finally {
    await files.close()
  }
}

/** The file being read and, after a rotation, the one that took its name. */
class LogFiles {
  readonly #path: string
  #file: FileHandle | undefined

  constructor(path: string) {
    this.#path = path
  }

  async current(): Promise<FileHandle> {
    return (this.#file ??= await open(this.#path))
  }

  /** Goes on to the new file once the old one is read to its end. */
  async advance(position: number): Promise<boolean> {
    const file = await this.current()
    const [old, now] = await Promise.all([file.stat(), stat(this.#path).catch(() => undefined)])
    if (now && now.ino === old.ino) return now.size < position
    if (!now || old.size > position) return false
    await this.close()
    return true
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }
}

/** Whole lines, many at a time. A line still being written is left for the next time. */
async function* linesFrom(file: FileHandle, start: number, moved: (position: number) => void): AsyncGenerator<Buffer, void> {
  const buffer = Buffer.alloc(PIECE_BYTES)
  let rest: Buffer = Buffer.alloc(0)
  let position = start
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) return
    position += bytesRead
    const held = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    const end = held.lastIndexOf(NEWLINE) + 1
    rest = held.subarray(end)
    if (rest.length > LINE_LIMIT) throw new Error(`a log line is longer than ${LINE_LIMIT} bytes`)
    moved(position - rest.length)
    if (end > 0) yield held.subarray(0, end)
  }
}

/** Where the last `lines` lines begin. */
async function tailStart(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat()
  if (lines <= 0) return size
  const buffer = Buffer.alloc(PIECE_BYTES)
  // The newline that ends the last line begins no other.
  let wanted = lines + 1
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - PIECE_BYTES)
    const { bytesRead } = await file.read(buffer, 0, end - start, start)
    const piece = buffer.subarray(0, bytesRead)
    if (end === size && piece.at(-1) !== NEWLINE) wanted--
    for (let at = piece.lastIndexOf(NEWLINE); at >= 0; at = at === 0 ? -1 : piece.lastIndexOf(NEWLINE, at - 1)) {
      if (--wanted === 0) return start + at + 1
    }
    end = start
  }
  return 0
}

class LogFormatter {
  readonly #options: LogOptions
  #left: number
  #withinLine = false

  constructor(options: LogOptions) {
    this.#options = options
    this.#left = options.limitBytes ?? Number.POSITIVE_INFINITY
  }

  get full(): boolean {
    return this.#left <= 0
  }

  format(lines: Buffer): Buffer {
    const { timestamps, since, stream } = this.#options
    const out: Buffer[] = []
    for (let at = 0, end = lines.indexOf(NEWLINE); end >= 0; at = end + 1, end = lines.indexOf(NEWLINE, at)) {
      const line = parseLogLine(lines.subarray(at, end))
      if (!line || (stream && line.stream !== stream)) continue
      if (since !== undefined && Date.parse(line.timestamp) < since) continue
      if (timestamps && !this.#withinLine) out.push(Buffer.from(`${line.timestamp} `))
      out.push(line.partial ? line.content : lines.subarray(end - line.content.length, end + 1))
      this.#withinLine = line.partial
    }
    const text = Buffer.concat(out).subarray(0, Math.max(0, this.#left))
    this.#left -= text.length
    return text
  }
}

/** Resolves `next` at a change of the file or its folder, and at least every CHECK_MS. */
function watchFile({ path, clock, signal }: LogSource): Disposable & { next(): Promise<void> } {
  let changed = false
  let wake: (() => void) | undefined
  const note = () => {
    changed = true
    wake?.()
  }
  const name = basename(path)
  const watcher = watch(dirname(path), (_, file) => {
    if (file === null || file === name) note()
  })
  watcher.on('error', () => {})
  signal.addEventListener('abort', note, { once: true })
  return {
    async next() {
      if (!changed) {
        await new Promise<void>((resolve) => {
          const timer = clock.after(CHECK_MS, resolve)
          wake = () => {
            timer.cancel()
            resolve()
          }
        })
      }
      wake = undefined
      changed = false
    },
    [Symbol.dispose]() {
      signal.removeEventListener('abort', note)
      watcher.close()
    },
  }
}
