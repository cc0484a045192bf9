// The store on this machine's disk: LMDB as durable journal and restart image; reads and watches are served from memory. A write is on disk
// when it is acknowledged. Refuses by name a data file that is corrupt, cut short, or not its own.
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type Database, open } from 'lmdb'
import { makeDirectories } from '#lib/make-directories.ts'
import { nextTurn } from '#lib/paced.ts'
import { MappedPages } from './mapped-pages.ts'
import { Contents, createRevisionedStore, type Journal, type Mutation } from './revisioned.ts'
import type { Entry, Revision, Store } from './store.ts'

const REVISION_KEY = '!revision'
/** revision (8), create revision (8), CRC-32 of the value (4), then the value. */
const HEADER = 20

/** The data on disk cannot be used as it is. The message says what is wrong and what to do. */
export class CorruptStore extends Error {
  override name = 'CorruptStore'
}

/** The disk did not take the write: nothing of it counts. */
export class StoreWriteFailed extends Error {
  override name = 'StoreWriteFailed'
}

/** Kept free on the disk: LMDB (and its binding) does not survive a page write that fails half-way, so writes are refused before that. */
const RESERVE_BYTES = 16 * 1024 * 1024

/**
 * Address space reserved for the file: with room to grow it is mapped once. The binding would begin with 128 KB, map the whole file anew whenever it outgrew
 * its map and keep the old maps, whose pages then count as resident twice and more.
 */
const MAP_BYTES = 64 * 1024 ** 3

/** A record that replaces another touches that one's page, and the system maps the 15 around it as well: of a large file at most 128 MB until the next release. */
const RELEASE_EVERY = 2000

/** What is read at the start between two turns, and what a record weighs beside its bytes. */
const BYTES_PER_TURN = 2 * 1024 * 1024
const RECORD_WEIGHT = 1024

export interface EmbeddedOptions {
  directory: string
  historyLimit?: number
  /** Bytes that may still be written; for tests. */
  freeBytes?: () => number
}

/** Much is read in slices: others have their turn. */
export async function openEmbeddedStore({
  directory,
  historyLimit,
  freeBytes = () => available(directory),
}: EmbeddedOptions): Promise<Store> {
  makeDirectories(directory, { mode: 0o700 })
  const file = join(directory, 'data.mdb')
  if (existsSync(file)) checkImage(file)
  const database = openDatabase(directory, file)
  const { contents, revision } = await load(database, file)
  const pages = new MappedPages(file)
  pages.release()
  return createRevisionedStore({
    contents,
    revision,
    journal: createJournal(database, { freeBytes, pages }),
    ...(historyLimit === undefined ? {} : { historyLimit }),
  })
}

function openDatabase(directory: string, file: string): Database<Buffer, string> {
  try {
    return open<Buffer, string>({
      path: directory,
      encoding: 'binary',
      keyEncoding: 'ordered-binary',
      overlappingSync: false,
      ...(addressesAreLimited() ? {} : { mapSize: MAP_BYTES }),
      cache: false,
    })
  } catch (error) {
    throw new CorruptStore(`the store ${file} cannot be opened: ${(error as Error).message}`, { cause: error })
  }
}

/** The binding does not survive a map it does not get. */
function addressesAreLimited(): boolean {
  try {
    return !/^Max address space +unlimited/m.test(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    return false
  }
}

async function load(database: Database<Buffer, string>, file: string): Promise<{ contents: Contents; revision: Revision }> {
  const contents = new Contents()
  let weight = 0
  let revision = 0
  try {
    const meta = database.get(REVISION_KEY)
    if (meta) revision = Number(meta.readBigUInt64BE(0))
    for (const { key, value } of database.getRange({ start: '/' })) {
      const entry = decode(String(key), value)
      if (entry.revision > revision) revision = entry.revision
      contents.add(entry)
      weight += value.length + RECORD_WEIGHT
      if (weight < BYTES_PER_TURN) continue
      weight = 0
      await nextTurn()
    }
  } catch (error) {
    throw new CorruptStore(
      `the store ${file} is damaged: ${(error as Error).message}. Restore it from a backup, or start afresh with \`sampan reset\`.`,
      {
        cause: error,
      },
    )
  }
  return { contents, revision }
}

function createJournal(database: Database<Buffer, string>, { freeBytes, pages }: { freeBytes: () => number; pages: MappedPages }): Journal {
  let records = 0
  return {
    async append(batch) {
      const needed = RESERVE_BYTES + batch.reduce((sum, { after }) => sum + 2 * ((after?.value.length ?? 0) + 4096), 0)
      const free = freeBytes()
      if (free < needed) {
        throw new StoreWriteFailed(
          `no space left on the store's disk: ${free} bytes free, ${needed} needed. Free some space and try again.`,
        )
      }
      try {
        const written = await database.batch(() => {
          for (const { key, after } of lastOfEach(batch)) {
            if (after) void database.put(key, encode(after))
            else void database.remove(key)
          }
          const revision = Buffer.alloc(8)
          revision.writeBigUInt64BE(BigInt(batch.at(-1)!.revision))
          void database.put(REVISION_KEY, revision)
        })
        if (written === false) throw new Error('the transaction was not committed')
      } catch (error) {
        throw new StoreWriteFailed(`the store could not write to disk: ${(error as Error).message}`, { cause: error })
      }
      records += batch.length
      if (records < RELEASE_EVERY) return
      records = 0
      pages.release()
    },
    async [Symbol.asyncDispose]() {
      await database.close()
    },
  }
}

function available(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

/** Of several writes to one key in a batch only the last need reach the disk. */
function lastOfEach(batch: readonly Mutation[]): Iterable<Mutation> {
  return new Map(batch.map((mutation) => [mutation.key, mutation])).values()
}

function encode({ value, revision, createRevision }: Entry): Buffer {
  const record = Buffer.allocUnsafe(HEADER + value.length)
  record.writeBigUInt64BE(BigInt(revision), 0)
  record.writeBigUInt64BE(BigInt(createRevision), 8)
  record.writeUInt32BE(crc32(value), 16)
  record.set(value, HEADER)
  return record
}

function decode(key: string, record: Buffer): Entry {
  if (record.length < HEADER) throw new Error(`the record of ${key} is cut short`)
  // An exact copy: a slice would pin the whole page it came from.
  const value = Buffer.allocUnsafeSlow(record.length - HEADER)
  record.copy(value, 0, HEADER)
  if (crc32(value) !== record.readUInt32BE(16)) throw new Error(`the record of ${key} does not match its checksum`)
  return { key, value, revision: Number(record.readBigUInt64BE(0)), createRevision: Number(record.readBigUInt64BE(8)) }
}

/**
 * Reads LMDB's two meta pages before the file is mapped: touching a page behind the end of a truncated file would kill the process with a signal.
 * Offsets: magic 24, page size 48, last page 144, transaction 152.
 */
function checkImage(file: string): void {
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const first = Buffer.alloc(160)
    readSync(descriptor, first, 0, first.length, 0)
    const pageSize = first.readUInt32LE(48)
    const second = Buffer.alloc(160)
    readSync(descriptor, second, 0, second.length, pageSize)
    const metas = [first, second].filter((meta) => meta.readUInt32LE(24) === 0xbeefc0de)
    if (size < 2 * pageSize || metas.length < 2 || pageSize < 512) {
      throw new CorruptStore(`the store ${file} is not a database of this program, or its head is damaged. ${WHAT_NOW}`)
    }
    const newest = metas.reduce((a, b) => (a.readBigUInt64LE(152) >= b.readBigUInt64LE(152) ? a : b))
    const expected = (Number(newest.readBigUInt64LE(144)) + 1) * pageSize
    if (size < expected) throw new CorruptStore(`the store ${file} is cut short: ${size} bytes of ${expected}. ${WHAT_NOW}`)
  } finally {
    closeSync(descriptor)
  }
}

const WHAT_NOW = 'Restore it from a backup, or start afresh with `sampan reset`.'
