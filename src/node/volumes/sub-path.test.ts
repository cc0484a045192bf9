import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Mounter } from './mounts.ts'
import { bindSubPath } from './sub-path.ts'

async function volume(): Promise<
  AsyncDisposable & { path: string; bound: string[]; mounter: Mounter; bind(subPath: string, readOnly?: boolean): Promise<string> }
> {
  const root = await mkdtemp(join(tmpdir(), 'sub-path-'))
  const path = join(root, 'volume')
  await mkdir(path)
  const bound: string[] = []
  const mounter: Mounter = {
    tmpfs: async () => {},
    bind: async (source) => void bound.push(await readlink(source)),
    unmountBelow: async () => {},
    mounted: async () => false,
  }
  const bind = (subPath: string, readOnly = false) =>
    bindSubPath({ volume: path, subPath, target: join(root, 'target', 'c', '0'), readOnly }, mounter)
  return { path, bound, mounter, bind, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) }
}

test('bindSubPath binds the very place inside the volume, making it where it is missing', async () => {
  await using own = await volume()
  await own.bind('new/dir')
  assert.deepEqual(own.bound, [join(own.path, 'new/dir')])
  assert.ok((await stat(join(own.path, 'new/dir'))).isDirectory())
})

test('bindSubPath follows links that stay inside', async () => {
  await using own = await volume()
  await writeFile(join(own.path, 'file'), 'x')
  await symlink('file', join(own.path, 'link'))
  await own.bind('link')
  assert.deepEqual(own.bound, [join(own.path, 'file')])
})

test('bindSubPath refuses links that lead out', async () => {
  await using own = await volume()
  await symlink('/etc', join(own.path, 'out'))
  await assert.rejects(own.bind('out'), /not within volume path/)
  await assert.rejects(own.bind('out/passwd'), /not within volume path/)
  await assert.rejects(own.bind('out/new-directory'))
  await assert.rejects(own.bind('../volume'), /must not contain '\.\.'/)
  assert.deepEqual(own.bound, [])
})

test('bindSubPath makes nothing in a read-only mount', async () => {
  await using own = await volume()
  await assert.rejects(own.bind('missing', true), /no such file or directory/)
})
