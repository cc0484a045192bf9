import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { writeImageArchive } from './archive-writer.ts'
import { openImageArchive, walk } from './image-archive.ts'
import { buildImage } from './oci.ts'
import { packTar, type TarEntry } from './tar.ts'

const directory = mkdtempSync(join(tmpdir(), 'sampan-archive-'))
after(() => rmSync(directory, { recursive: true }))

let serial = 0
const file = (bytes: Buffer) => {
  const path = join(directory, `${++serial}.tar`)
  writeFileSync(path, bytes)
  return path
}
const json = (name: string, value: unknown): TarEntry => ({ name, content: Buffer.from(JSON.stringify(value)) })

/** Sizes of the blobs of an archive's images, children first. */
async function contents(path: string) {
  await using archive = await openImageArchive(path)
  const found: [string[], number[]][] = []
  for (const { names, target } of archive.images) {
    const sizes: number[] = []
    for await (const { descriptor, file: blob, children } of walk(target, archive.blob)) {
      let size = 0
      for await (const chunk of blob.bytes()) size += chunk.length
      assert.equal(size, descriptor.size)
      if (descriptor.digest === target.digest) assert.equal(children.length, 3)
      sizes.push(size)
    }
    found.push([names, sizes])
  }
  return found
}

async function layout(): Promise<{ path: string; sizes: number[] }> {
  const layers = [await packTar([{ name: 'a', content: Buffer.alloc(3_000_000, 'a') }]), await packTar([{ name: 'b' }])]
  const { manifest, blobs } = buildImage(layers, { architecture: 'amd64', defaults: { Cmd: ['/a'] } })
  const path = join(directory, `${++serial}.tar`)
  await writeImageArchive(path, {
    images: [{ name: 'docker.io/library/app:1', target: manifest }],
    blobs: [...blobs].map(([digest, bytes]) => ({
      digest,
      size: bytes.length,
      bytes: async function* () {
        yield bytes
      },
    })),
  })
  const [config] = [...blobs.values()].slice(2)
  return { path, sizes: [config!.length, layers[0]!.length, layers[1]!.length, manifest.size] }
}

async function dockerSave(): Promise<string> {
  const layer = await packTar([{ name: 'a', content: Buffer.from('hello') }])
  return file(
    await packTar([
      { name: 'abc.json', content: Buffer.from('{"architecture":"amd64","os":"linux"}') },
      { name: 'one/layer.tar', content: layer },
      { name: 'two/layer.tar', type: 'symlink', linkname: '../one/layer.tar' },
      json('manifest.json', [{ Config: 'abc.json', RepoTags: ['app:1', 'me/app:2'], Layers: ['one/layer.tar', 'two/layer.tar'] }]),
    ]),
  )
}

describe('openImageArchive', () => {
  test('writeImageArchive names the folder that is not there', async () => {
    const path = join(directory, 'nowhere', 'image.tar')
    await assert.rejects(writeImageArchive(path, { images: [], blobs: [] }), /ENOENT: .*nowhere/)
  })

  test('reads what writeImageArchive writes', async () => {
    const { path, sizes } = await layout()
    assert.deepEqual(await contents(path), [[['docker.io/library/app:1'], sizes]])
  })

  for (const [how, compress] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    test(`reads an archive in ${how}`, async () => {
      const { path, sizes } = await layout()
      assert.deepEqual(await contents(file(compress(readFileSync(path)))), [[['docker.io/library/app:1'], sizes]])
    })
  }

  test('reads what docker save wrote, links between layers too', async () => {
    const [[names, sizes] = [[], []]] = await contents(await dockerSave())
    assert.deepEqual(names, ['docker.io/library/app:1', 'docker.io/me/app:2'])
    assert.equal(sizes.length, 4)
  })

  const REFUSED: [string, () => Promise<Buffer>, RegExp][] = [
    ['what is no tar', async () => Buffer.from('hello world '.repeat(100)), /is not an image archive/],
    [
      'a tar of something else',
      () => packTar([{ name: 'readme', content: Buffer.from('x') }]),
      /neither an index\.json .* nor a manifest\.json/,
    ],
    ['a layout without names', () => packTar([json('oci-layout', {}), json('index.json', { manifests: [] })]), /names no image/],
    [
      'an index that is not JSON',
      () => packTar([json('oci-layout', {}), { name: 'index.json', content: Buffer.from('{') }]),
      /index\.json is not JSON/,
    ],
    [
      'a missing layer',
      () => packTar([json('c.json', {}), json('manifest.json', [{ Config: 'c.json', RepoTags: ['a'], Layers: ['gone/layer.tar'] }])]),
      /lacks gone\/layer\.tar/,
    ],
  ]
  for (const [what, bytes, message] of REFUSED) {
    test(`refuses ${what}`, async () => {
      const path = file(await bytes())
      await assert.rejects(openImageArchive(path), message)
    })
  }

  test('refuses digests that are none', async () => {
    const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: 'sha256:../../etc/passwd', size: 1 }
    const path = file(
      await packTar([
        json('oci-layout', {}),
        json('index.json', { manifests: [{ ...descriptor, annotations: { 'io.containerd.image.name': 'a:1' } }] }),
      ]),
    )
    await using archive = await openImageArchive(path)
    await assert.rejects(walk(archive.images[0]!.target, archive.blob).next(), /is not a sha256 digest/)
  })
})
