// Random access to the files of a tar archive on disk: one pass reads the headers, after that every file is read by its place. Archives compressed
// as a whole are first unpacked to a temporary file.
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract } from 'tar-stream'

export interface TarFile {
  size: number
  bytes(): AsyncIterable<Buffer>
}

export interface TarIndex extends AsyncDisposable {
  /** Follows links inside the archive. Names as in the archive, without a leading `./`. */
  file(name: string): TarFile | undefined
}

const ENTRY_LIMIT = 100_000
const LINK_LIMIT = 8
const GZIP = Buffer.from([0x1f, 0x8b])
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

export async function openTar(path: string): Promise<TarIndex> {
  await using opening = new AsyncDisposableStack()
  const plain = await uncompressed(path, opening)
  const places = new Map<string, { offset: number; size: number } | { link: string }>()
  const headers = extract()
  const reading = pipeline(createReadStream(plain, { highWaterMark: 1024 * 1024 }), headers)
  reading.catch(() => {})
  for await (const entry of headers) {
    const { name, type, size, linkname } = entry.header
    // The place of the content, which tar-stream knows but its types do not mention.
    const { byteOffset } = entry.header as unknown as { byteOffset: number }
    if (places.size >= ENTRY_LIMIT) throw new Error(`the archive has more than ${ENTRY_LIMIT} entries`)
    const key = posix.normalize(name)
    if (type === 'file') places.set(key, { offset: byteOffset, size: size ?? 0 })
    else if (type === 'symlink') places.set(key, { link: posix.join(posix.dirname(key), linkname ?? '') })
    else if (type === 'link') places.set(key, { link: posix.normalize(linkname ?? '') })
    entry.resume()
  }
  await reading
  const held = opening.move()
  return {
    file(name) {
      let place = places.get(posix.normalize(name))
      for (let links = 0; place && 'link' in place && links < LINK_LIMIT; links++) place = places.get(place.link)
      if (!place || 'link' in place) return undefined
      const { offset, size } = place
      return {
        size,
        bytes: () => (size === 0 ? none() : createReadStream(plain, { start: offset, end: offset + size - 1, highWaterMark: 1024 * 1024 })),
      }
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

async function uncompressed(path: string, cleanup: AsyncDisposableStack): Promise<string> {
  const start = Buffer.alloc(4)
  const file = await open(path)
  try {
    await file.read(start, 0, 4, 0)
  } finally {
    await file.close()
  }
  const unpack = start.subarray(0, 2).equals(GZIP) ? createGunzip() : start.equals(ZSTD) ? createZstdDecompress() : undefined
  if (!unpack) return path
  const folder = await mkdtemp(join(tmpdir(), 'sampan-image-'))
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  const plain = join(folder, 'image.tar')
  await pipeline(createReadStream(path), unpack, createWriteStream(plain, { mode: 0o600 }))
  return plain
}

async function* none(): AsyncGenerator<Buffer> {}
