import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeAtomically } from './atomic-writer.ts'

const payload = (files: Record<string, string>) =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode: 0o640 }]))

async function directory(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'atomic-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

test('writeAtomically shows files through one link and replaces them together', async () => {
  await using home = await directory()
  await writeAtomically(home.path, payload({ a: '1', 'deep/b': '2' }), { version: 'one' })
  assert.equal(await readFile(join(home.path, 'a'), 'utf8'), '1')
  assert.equal(await readFile(join(home.path, 'deep/b'), 'utf8'), '2')
  assert.equal(await readlink(join(home.path, 'a')), '..data/a')
  assert.equal((await stat(join(home.path, 'a'))).mode & 0o777, 0o640)
  await writeAtomically(home.path, payload({ a: '3', c: '4' }), { version: 'two' })
  assert.equal(await readFile(join(home.path, 'a'), 'utf8'), '3')
  assert.deepEqual((await readdir(home.path)).sort(), ['..data', '..two', 'a', 'c'])
})

for (const path of ['../out', '/etc/passwd', '..hidden', 'a/../../b', '']) {
  test(`writeAtomically refuses ${JSON.stringify(path)}`, async () => {
    await using home = await directory()
    await assert.rejects(writeAtomically(home.path, payload({ [path]: 'x' }), { version: 'one' }), /invalid path/)
    assert.deepEqual(await readdir(home.path), [])
  })
}
