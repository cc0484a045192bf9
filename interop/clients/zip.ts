// Files out of a ZIP archive that is wholly in memory: stored and deflated ones, each checked against its sum. No encryption, no archives in parts or
// over 4 GiB.
import { crc32, inflateRawSync } from 'node:zlib'

const END = 0x06054b50
const LISTED = 0x02014b50
const LOCAL = 0x04034b50
const END_BYTES = 22
const MOST_COMMENT = 0xffff

/** Of those names that the archive has, what they hold. */
export function unzip(archive: Buffer, names: readonly string[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const end = endOf(archive)
  let at = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    if (archive.readUInt32LE(at) !== LISTED) throw new Error(`not a ZIP archive: no entry at ${at}`)
    const nameLength = archive.readUInt16LE(at + 28)
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength)
    if (names.includes(name)) files.set(name, contentOf(archive, { at, name }))
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32)
  }
  return files
}

function endOf(archive: Buffer): number {
  const last = archive.length - END_BYTES
  for (let at = last; at >= Math.max(0, last - MOST_COMMENT); at--) if (archive.readUInt32LE(at) === END) return at
  throw new Error('not a ZIP archive: it has no end')
}

function contentOf(archive: Buffer, { at, name }: { at: number; name: string }): Buffer {
  const method = archive.readUInt16LE(at + 10)
  const sum = archive.readUInt32LE(at + 16)
  const packedBytes = archive.readUInt32LE(at + 20)
  const local = archive.readUInt32LE(at + 42)
  if (archive.readUInt32LE(local) !== LOCAL) throw new Error(`${name}: not where the archive says`)
  // The local header may have other extra fields than the listing.
  const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
  const packed = archive.subarray(start, start + packedBytes)
  if (method !== 0 && method !== 8) throw new Error(`${name}: packed by method ${method}, which is not read here`)
  const content = method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: archive.readUInt32LE(at + 24) })
  if (crc32(content) !== sum) throw new Error(`${name}: its sum is not what the archive says`)
  return content
}
