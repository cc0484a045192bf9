// Registry credentials from imagePullSecrets (kubernetes.io/dockerconfigjson and dockercfg), most specific match first.
import type { Secret } from '#api/generated/types.ts'

export interface RegistryCredentials {
  username: string
  password: string
  server: string
}

interface Entry {
  username?: unknown
  password?: unknown
  auth?: unknown
}

const DEFAULT_REGISTRY = 'docker.io'
const LIMIT = 1024 * 1024

export function credentialsFor(reference: string, secrets: readonly Secret[]): RegistryCredentials[] {
  const image = qualified(reference)
  const matches: { pattern: string; credentials: RegistryCredentials }[] = []
  for (const secret of secrets) {
    for (const [server, entry] of entriesOf(secret)) {
      const pattern = normalized(server)
      if (!matchesImage(pattern, image)) continue
      const { username, password } = userOf(entry)
      if (username) matches.push({ pattern, credentials: { username, password, server } })
    }
  }
  return matches.sort((a, b) => b.pattern.length - a.pattern.length).map(({ credentials }) => credentials)
}

function entriesOf({ type, data }: Secret): [string, Entry][] {
  const key =
    type === 'kubernetes.io/dockerconfigjson' ? '.dockerconfigjson' : type === 'kubernetes.io/dockercfg' ? '.dockercfg' : undefined
  const encoded = key && data ? data[key] : undefined
  if (!key || !encoded || encoded.length > LIMIT) return []
  try {
    const parsed = JSON.parse(Buffer.from(encoded, 'base64').toString()) as { auths?: Record<string, Entry> } & Record<string, Entry>
    const auths = key === '.dockerconfigjson' ? parsed.auths : parsed
    return Object.entries(auths ?? {}).filter(([, entry]) => typeof entry === 'object' && entry !== null)
  } catch {
    return []
  }
}

function userOf({ username, password, auth }: Entry): { username: string; password: string } {
  if (typeof username === 'string' && username) return { username, password: typeof password === 'string' ? password : '' }
  const text = typeof auth === 'string' ? Buffer.from(auth, 'base64').toString() : ''
  const colon = text.indexOf(':')
  return colon < 0 ? { username: '', password: '' } : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

function normalized(server: string): string {
  const bare = server
    .replace(/^https?:\/\//, '')
    .replace(/\/(v1|v2)\/?$/, '')
    .replace(/\/$/, '')
  return bare === 'index.docker.io' ? DEFAULT_REGISTRY : bare
}

/** `registry/path` without tag and digest. */
function qualified(reference: string): string {
  const name = reference.split('@')[0]!.replace(/:[\w][\w.-]*$/, '')
  const first = name.split('/')[0]!
  const hasRegistry = name.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  return hasRegistry ? name : `${DEFAULT_REGISTRY}/${name.includes('/') ? name : `library/${name}`}`
}

/** Host labels may be `*`; a path matches as a prefix. */
function matchesImage(pattern: string, image: string): boolean {
  const [host = '', ...path] = pattern.split('/')
  const [imageHost = '', ...imagePath] = image.split('/')
  const labels = host.split('.')
  const imageLabels = imageHost.split('.')
  if (labels.length !== imageLabels.length) return false
  if (!labels.every((label, i) => label === imageLabels[i] || (label.includes('*') && wildcard(label, imageLabels[i]!)))) return false
  return `${imagePath.join('/')}/`.startsWith(path.length > 0 ? path.join('/') : '')
}

function wildcard(label: string, text: string): boolean {
  const parts = label.split('*')
  let at = 0
  for (const [i, part] of parts.entries()) {
    const found = i === 0 ? (text.startsWith(part) ? 0 : -1) : text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return parts.at(-1) === '' || text.endsWith(parts.at(-1)!)
}
