// Where keys are kept. On disk: files only their owner may read, replaced in one step: after a crash either the old text is there or the new one, never half.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** What keys and certificates are read from and written to. */
export interface KeyFiles {
  readonly directory: string
  path(name: string): string
  read(name: string): string | undefined
  write(name: string, text: string): void
  folder(name: string): KeyFiles
}

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
}

export class OwnerOnlyFiles implements KeyFiles {
  readonly directory: string

  /** Creates the directory (0700) if it is absent. */
  constructor(directory: string) {
    this.directory = directory
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  folder(name: string): KeyFiles {
    return new OwnerOnlyFiles(this.path(name))
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
}
