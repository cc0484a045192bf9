// What is kept of a program's files from start to start, all in one file: their function forms and the code V8 made of them. An entry counts as long as
// what it was made of has the same size and time of change. Whoever may write that file runs code here, so it is its owner's alone.
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync, writevSync } from 'node:fs'
import { dirname } from 'node:path'

export interface Kept {
  text: string
  /** As V8 keeps it; absent: none. */
  code: Buffer | undefined
}

/** What it was made of; where its text and its code begin, and how long they are. */
type Entry = [size: number, changedMs: number, textAt: number, textLength: number, codeAt: number, codeLength: number]

interface Head {
  /** Where all of it is from, and who made it. */
  made: string
  entries: Record<string, Entry>
}

/** V8 would copy code that does not begin at a multiple of it. */
const ALIGNMENT = 8
const LENGTH_BYTES = ALIGNMENT
const ROOT = 0

export class KeptSources {
  readonly #path: string
  readonly #root: string
  readonly #made: string
  readonly #file: OpenFile | undefined
  readonly #entries: ReadonlyMap<string, Entry>

  /** Files have their places below `root`; `made` is what all entries must have in common. What is not there, or cannot be trusted, is empty. */
  constructor(path: string, { root, made }: { root: string; made: string }) {
    this.#path = path
    this.#root = root
    this.#made = made
    this.#file = openFile(path, made)
    this.#entries = new Map(Object.entries(this.#file?.entries ?? {}))
  }

  get(file: string): Kept | undefined {
    const entry = this.#entries.get(file)
    if (!entry || !this.#file || !isOf(entry, this.#identityOf(file))) return undefined
    const [, , textAt, textLength, codeAt, codeLength] = entry
    return {
      text: this.#file.bytes(textAt, textLength).toString(),
      code: codeLength > 0 ? this.#file.bytes(codeAt, codeLength) : undefined,
    }
  }

  /** Most has been asked for: the rest stays on disk. */
  settle(): void {
    this.#file?.settle()
  }

  /** Writes a new file of what is there by now and still right, and of what is added: other processes keep what they load in the same one. */
  add(added: ReadonlyMap<string, Kept>): void {
    using present = new KeptSources(this.#path, { root: this.#root, made: this.#made })
    const entries: Head['entries'] = {}
    const blobs: Buffer[] = []
    let at = 0
    const put = (bytes: Buffer) => {
      const from = at
      blobs.push(padded(bytes))
      at += blobs.at(-1)!.length
      return [from, bytes.length] as const
    }
    for (const file of new Set([...present.#entries.keys(), ...added.keys()])) {
      const own = added.get(file)
      const kept = own?.code ? own : (present.get(file) ?? own)
      const identity = this.#identityOf(file)
      if (kept && identity) entries[file] = [...identity, ...put(Buffer.from(kept.text)), ...put(kept.code ?? Buffer.alloc(0))]
    }
    const head = padded(Buffer.from(JSON.stringify({ made: this.#made, entries } satisfies Head)), ' ')
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32LE(head.length)
    replaceFile(this.#path, [length, head, ...blobs])
  }

  [Symbol.dispose](): void {
    this.#file?.close()
  }

  #identityOf(file: string): Identity | undefined {
    const found = statSync(this.#root + file, { throwIfNoEntry: false })
    return found && [found.size, found.mtimeMs]
  }
}

type Identity = [size: number, changedMs: number]

function isOf([size, changedMs]: Entry, identity: Identity | undefined): boolean {
  return identity?.[0] === size && identity[1] === changedMs
}

/** The file as it is now: it stays so however often another takes its place. */
class OpenFile {
  readonly entries: Head['entries']
  readonly #descriptor: number
  readonly #begin: number
  /** While a program starts, everything is read at once. */
  #all: Buffer | undefined

  constructor(descriptor: number, all: Buffer, head: { end: number; entries: Head['entries'] }) {
    this.#descriptor = descriptor
    this.#all = all
    this.#begin = head.end
    this.entries = head.entries
  }

  bytes(at: number, length: number): Buffer {
    const from = this.#begin + at
    return this.#all?.subarray(from, from + length) ?? readAt(this.#descriptor, from, length)
  }

  settle(): void {
    this.#all = undefined
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

function openFile(path: string, made: string): OpenFile | undefined {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    const { uid, mode, size } = fstatSync(descriptor)
    const user = process.geteuid?.()
    if (size > LENGTH_BYTES && (uid === user || uid === ROOT) && (mode & 0o022) === 0) {
      const all = readAt(descriptor, 0, size)
      const end = LENGTH_BYTES + all.readUInt32LE()
      const head = JSON.parse(all.toString('utf8', LENGTH_BYTES, end)) as Head
      if (head.made === made) return new OpenFile(descriptor, all, { end, entries: head.entries })
    }
  } catch {
    // None yet, or none of ours: it is written anew.
  }
  if (descriptor !== undefined) closeSync(descriptor)
  return undefined
}

function readAt(descriptor: number, from: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  let done = 0
  while (done < length) {
    const read = readSync(descriptor, bytes, done, length - done, from + done)
    if (read === 0) throw new Error('a file of kept sources ends too soon')
    done += read
  }
  return bytes
}

/** At once, and whole even after a loss of power. */
function replaceFile(path: string, parts: readonly Buffer[]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}.new`
  rmSync(draft, { force: true })
  const descriptor = openSync(draft, 'wx', 0o600)
  try {
    const all = Buffer.concat(parts)
    for (let done = 0; done < all.length; ) done += writevSync(descriptor, [all.subarray(done)])
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(draft, path)
}

function padded(bytes: Buffer, by = '\0'): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & (ALIGNMENT - 1), by)])
}
