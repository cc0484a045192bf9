// Where keys are kept. On disk: files only their owner may read, replaced in one step: after a crash either the old text is there or the new one, never half.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock } from '#lib/clock.ts'
import { makeDirectories } from '#lib/make-directories.ts'

/** What keys and certificates are read from and written to. */
export interface KeyFiles {
  readonly directory: string
  path(name: string): string
  read(name: string): string | undefined
  write(name: string, text: string): void
  folder(name: string): KeyFiles
  /** Until it is disposed of, whoever else asks for the same has to wait. */
  alone(): Promise<Disposable>
}

const LOCK = '.lock'
const POLL_MS = 10
/** Nobody needs longer: whose lock is older is gone. */
const LONGEST_MS = 5000

/** For clusters that leave nothing behind. */
export class MemoryFiles implements KeyFiles {
  readonly directory: string
  readonly #texts: Map<string, string>

  constructor(directory = 'memory', texts = new Map<string, string>()) {
    this.directory = directory
    this.#texts = texts
  }

  path(name: string): string {
    return `${this.directory}/${name}`
  }

  read(name: string): string | undefined {
    return this.#texts.get(this.path(name))
  }

  write(name: string, text: string): void {
    this.#texts.set(this.path(name), text)
  }

  folder(name: string): KeyFiles {
    return new MemoryFiles(this.path(name), this.#texts)
  }

  async alone(): Promise<Disposable> {
    return { [Symbol.dispose]: () => {} }
  }
}

export class OwnerOnlyFiles implements KeyFiles {
  readonly directory: string
  readonly #clock: Clock

  /** Creates the directory (0700) if it is absent. */
  constructor(directory: string, clock: Clock = systemClock) {
    this.directory = directory
    this.#clock = clock
    makeDirectories(directory, { mode: 0o700 })
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  folder(name: string): KeyFiles {
    return new OwnerOnlyFiles(this.path(name), this.#clock)
  }

  read(name: string): string | undefined {
    try {
      return readFileSync(this.path(name), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  write(name: string, text: string): void {
    const draft = this.path(`${name}.new`)
    const file = openSync(draft, 'w', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(draft, this.path(name))
  }

  async alone(): Promise<Disposable> {
    const lock = this.path(LOCK)
    let state = this.#lock(lock)
    // Of one holder: of many, on a slow disk, the last may wait for long.
    for (let waited = 0, since: number | undefined; state === 'held'; waited += POLL_MS) {
      const present = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
      if (present !== since) [waited, since] = [0, present]
      if (waited >= LONGEST_MS || !isRunning(Number(this.read(LOCK)))) rmSync(lock, { force: true })
      await this.#clock.sleep(POLL_MS)
      state = this.#lock(lock)
    }
    return { [Symbol.dispose]: () => state === 'ours' && rmSync(lock, { force: true }) }
  }

  /** Where nothing can be written there is nothing to be alone for. */
  #lock(lock: string): 'ours' | 'held' | 'read-only' {
    try {
      const file = openSync(lock, 'wx', 0o600)
      writeSync(file, String(process.pid))
      closeSync(file)
      return 'ours'
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return 'held'
      if (code === 'EROFS' || code === 'EACCES') return 'read-only'
      throw error
    }
  }
}

/** A lock without number was made just now. */
function isRunning(pid: number): boolean {
  try {
    return !pid || process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
