import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { open } from 'lmdb'
import { MappedPages } from './mapped-pages.ts'

const root = mkdtempSync(join(tmpdir(), 'sampan-pages-'))
after(() => rmSync(root, { recursive: true, force: true }))

const told = () => {
  const calls: [number, number][] = []
  return { calls, releasePages: (address: number, bytes: number) => void calls.push([address, bytes]) }
}

test('MappedPages.release stays within the map, however large the file has grown', { skip: process.platform !== 'linux' }, async () => {
  const directory = join(root, 'outgrown')
  const file = join(directory, 'data.mdb')
  const database = open<Buffer, string>({ path: directory, encoding: 'binary', mapSize: 1024 * 1024 })
  await database.put('k', Buffer.alloc(1000))
  const map = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .find((line) => line.endsWith(file))!
  const [address, end] = map
    .split(' ')[0]!
    .split('-')
    .map((one) => Number.parseInt(one, 16))
  truncateSync(file, 64 * 1024 * 1024)
  const { calls, releasePages } = told()
  new MappedPages(file, { releasePages }).release()
  assert.ok(end! - address! < 64 * 1024 * 1024)
  assert.deepEqual(calls, [[address, end! - address!]])
  await database.close()
})

test('MappedPages.release leaves alone a file that is small or not mapped', () => {
  for (const [name, bytes] of [
    ['small', 1000],
    ['large', 33 * 1024 * 1024],
  ] as const) {
    const file = join(root, name)
    writeFileSync(file, Buffer.alloc(bytes))
    const { calls, releasePages } = told()
    new MappedPages(file, { releasePages }).release()
    assert.deepEqual(calls, [])
  }
})
