import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeDirectories } from './make-directories.ts'

const home = mkdtempSync(join(tmpdir(), 'make-directories-'))
after(() => rmSync(home, { recursive: true, force: true }))

test('makeDirectories makes every folder on the way with the mode, and is content with what is there', () => {
  const path = join(home, 'a', 'b', 'c')
  makeDirectories(path, { mode: 0o700 })
  makeDirectories(path)
  for (const folder of [path, join(home, 'a')]) assert.equal(statSync(folder).mode & 0o777, 0o700)
})

test('makeDirectories says why a folder cannot be made', () => {
  writeFileSync(join(home, 'file'), '')
  assert.throws(() => makeDirectories(join(home, 'file')), { code: 'ENOTDIR' })
  assert.throws(() => makeDirectories(join(home, 'file', 'below')), { code: 'ENOTDIR' })
})

test('makeDirectories ends where a folder says that what is made in it does not exist', {
  skip: process.platform === 'linux' ? false : 'there is no /proc',
}, () => {
  assert.throws(() => makeDirectories('/proc/nobody/here'), { code: 'ENOENT' })
})
