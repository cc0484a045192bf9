// The pages of the store's file that this process has mapped: they count as its memory although they are the system's page cache, which gives away last
// what someone has mapped. Letting go of them loses nothing. Never reads or writes the file.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { lib, type Posix } from '#lib/posix.ts'

/** Smaller files are not worth loading the C library for. */
const LEAST_BYTES = 32 * 1024 * 1024

export class MappedPages {
  readonly #file: string
  #map: { address: number; posix: Posix } | undefined
  #absent = false

  constructor(file: string) {
    this.#file = file
  }

  /** Takes them out of this process: who touches one again finds it in the page cache. Does nothing where the system does not tell where the file is mapped. */
  release(): void {
    if (this.#absent) return
    const { size } = statSync(this.#file)
    if (size < LEAST_BYTES) return
    try {
      this.#map ??= { address: addressOf(this.#file), posix: lib() }
      this.#map.posix.releasePages(this.#map.address, size)
    } catch {
      this.#absent = true
    }
  }
}

function addressOf(file: string): number {
  const path = ` ${realpathSync(file)}`
  const line = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .find((one) => one.endsWith(path))
  if (line === undefined) throw new Error(`${file} is not mapped`)
  return Number.parseInt(line, 16)
}
