// The pages of the store's file that this process has mapped: they count as its memory although they are the system's page cache, which gives away last
// what someone has mapped. Letting go of them loses nothing. Never reads or writes the file.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { lib, type Posix } from '#lib/posix.ts'

/** Smaller files are not worth loading the C library for. */
const LEAST_BYTES = 32 * 1024 * 1024

type Release = Posix['releasePages']

export class MappedPages {
  readonly #file: string
  readonly #releasePages: Release
  #map: { address: number; bytes: number } | undefined
  #absent = false

  constructor(file: string, { releasePages = (address, bytes) => lib().releasePages(address, bytes) }: { releasePages?: Release } = {}) {
    this.#file = file
    this.#releasePages = releasePages
  }

  /** Takes them out of this process: who touches one again finds it in the page cache. Does nothing where the system does not tell where the file is mapped. */
  release(): void {
    if (this.#absent) return
    const { size } = statSync(this.#file)
    if (size < LEAST_BYTES) return
    try {
      this.#map ??= mapOf(this.#file)
      // Never beyond the map, whose neighbours are someone's memory.
      this.#releasePages(this.#map.address, Math.min(size, this.#map.bytes))
    } catch {
      this.#absent = true
    }
  }
}

/** A map stays where it is until the store is closed. */
function mapOf(file: string): { address: number; bytes: number } {
  const path = ` ${realpathSync(file)}`
  const line = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .find((one) => one.endsWith(path))
  const range = /^([0-9a-f]+)-([0-9a-f]+) r--s 00000000 /.exec(line ?? '')
  if (!range) throw new Error(`${file} is not mapped from its beginning, to be read only`)
  const [address, end] = [Number.parseInt(range[1]!, 16), Number.parseInt(range[2]!, 16)]
  return { address, bytes: end - address }
}
