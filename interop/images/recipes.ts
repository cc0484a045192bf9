// The images the interop tests run: busybox, a small web server in two versions, redis. Written as OCI archives and kept until a package or
// this recipe changes.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeImageArchive } from '#node/images/archive-writer.ts'
import { normaliseReference } from '#node/images/image-reference.ts'
import { buildImage, type ImageDefaults } from '#node/images/oci.ts'
import { packTar, type TarEntry } from '#node/images/tar.ts'
import { busyboxRoot, ensurePrograms, fingerprint, withFolders, withLibraries } from './debian.ts'

interface Recipe {
  /** The first is also the name of the file. */
  names: string[]
  programs: string[]
  layers(): TarEntry[][]
  defaults: ImageDefaults
}

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/sampan-images', import.meta.url))
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const BUSYBOX = '/bin/busybox'
const REDIS = ['/usr/bin/redis-server', '/usr/bin/redis-cli']

/** On SIGTERM it still answers what is under way before it goes. */
const WEB_SCRIPT = `#!/bin/sh
mkdir -p /tmp/www
{ hostname; echo "$VERSION"; } > /tmp/www/index.html
httpd -f -p "\${PORT:-8080}" -h /tmp/www &
server=$!
trap 'kill $server; sleep 0.5; exit 0' TERM INT
wait $server
`

const web = (version: string): Recipe => ({
  names: [`web:${version}`],
  programs: [BUSYBOX],
  layers: () => [busyboxRoot(), withFolders([{ name: 'usr/local/bin/web', content: Buffer.from(WEB_SCRIPT), mode: 0o755 }])],
  defaults: { Env: [PATH, `VERSION=${version}`], Cmd: ['/usr/local/bin/web'], ExposedPorts: { '8080/tcp': {} } },
})

const RECIPES: Recipe[] = [
  {
    names: ['busybox:latest', 'busybox:1.35'],
    programs: [BUSYBOX],
    layers: () => [busyboxRoot()],
    defaults: { Env: [PATH], Cmd: ['sh'] },
  },
  web('v1'),
  web('v2'),
  {
    names: ['redis:latest', 'redis:7'],
    programs: [BUSYBOX, ...REDIS],
    layers: () => [busyboxRoot(), [...withLibraries(REDIS), { name: 'data', type: 'directory', mode: 0o777 }]],
    defaults: {
      Env: [PATH],
      WorkingDir: '/data',
      Entrypoint: ['redis-server', '--protected-mode', 'no'],
      ExposedPorts: { '6379/tcp': {} },
      Volumes: { '/data': {} },
    },
  },
]

/** Paths of the archives, built if need be. */
export async function testImages(): Promise<string[]> {
  ensurePrograms(RECIPES.flatMap(({ programs }) => programs))
  mkdirSync(CACHE, { recursive: true })
  const files: string[] = []
  for (const recipe of RECIPES) files.push(await built(recipe))
  return files
}

async function built({ names, programs, layers, defaults }: Recipe): Promise<string> {
  const sources = ['recipes.ts', 'debian.ts'].map((name) => readFileSync(new URL(name, import.meta.url), 'utf8'))
  const key = createHash('sha256')
    .update([fingerprint(programs), ...sources].join('\n'))
    .digest('hex')
    .slice(0, 12)
  const file = join(CACHE, `${names[0]!.replace(':', '-')}-${key}.tar`)
  if (existsSync(file)) return file
  const packed: Buffer[] = []
  for (const entries of layers()) packed.push(await packTar(entries))
  const { manifest, blobs } = buildImage(packed, { defaults, architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' })
  await writeImageArchive(file, {
    images: names.map((name) => ({ name: normaliseReference(name), target: manifest })),
    blobs: [...blobs].map(([digest, bytes]) => ({
      digest,
      size: bytes.length,
      bytes: async function* () {
        yield bytes
      },
    })),
  })
  return file
}
