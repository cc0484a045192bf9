// Reads an EncryptionConfiguration (apiserver.config.k8s.io/v1): which resources are kept by which providers. Everything wrong with it is told at
// once, in upstream's words, and no secret ever appears in a message.
import { isObject } from '#api/clone.ts'
import { parseYaml } from '#api/codec/yaml.ts'
import { misfits, type Shape } from '#api/configuration-file.ts'
import type { Clock } from '#lib/clock.ts'
import { parseGoDuration } from '#lib/duration.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import { aesCbc, aesGcm, type Cipher, identity, secretBox } from './ciphers.ts'
import type { KmsPlugin } from './kms.ts'
import type { Provider, Providers } from './providers.ts'

/** By names such as `secrets`, `deployments.apps`, `*.apps`, `*.` for the core group, `*.*` for all. */
export type EncryptionRules = ReadonlyMap<string, Providers>

export interface Making {
  clock: Clock
  random: Random
  log: Logger
  /** See KmsParts. */
  recovered(): void
  /** Takes connections to plugins, to be closed with it. */
  connections: DisposableStack
  /** Takes the plugins themselves, in the order in which they are named. */
  plugins: KmsPlugin[]
}

const KEY_SIZES: Record<string, readonly number[]> = { aesgcm: [16, 24, 32], aescbc: [16, 24, 32], secretbox: [32] }
const KINDS = ['aesgcm', 'aescbc', 'secretbox', 'identity', 'kms'] as const
const CIPHERS: Record<string, (key: Uint8Array, random: Random) => Cipher | Promise<Cipher>> = {
  aesgcm: aesGcm,
  aescbc: aesCbc,
  secretbox: secretBox,
}

const KEYS: Shape = { keys: [{ name: 'text', secret: 'text' }] }
const SHAPE: Shape = {
  apiVersion: 'text',
  kind: 'text',
  resources: [
    {
      resources: ['text'],
      providers: [
        {
          aesgcm: KEYS,
          aescbc: KEYS,
          secretbox: KEYS,
          identity: {},
          kms: { apiVersion: 'text', name: 'text', cachesize: 'number', endpoint: 'text', timeout: 'text' },
        },
      ],
    },
  ],
}

export class BadEncryptionConfiguration extends Error {
  override name = 'BadEncryptionConfiguration'
}

export async function readEncryptionConfiguration(text: string, making: Making): Promise<EncryptionRules> {
  const errors: string[] = []
  const config = documentOf(text)
  const rules = new Map<string, Provider[]>()
  const names: string[] = []
  const entries = listOf(config.resources)
  if (entries.length === 0) errors.push('resources: Required value: at least one resource entry is required')
  for (const [at, entry] of entries.entries()) {
    const path = `resources[${at}]`
    const resources = listOf(entry?.resources).map(String)
    if (resources.length === 0) errors.push(`${path}.resources: Required value: at least one resource name is required`)
    errors.push(...checkResources(`${path}.resources`, resources))
    for (const name of resources.map(canonical)) {
      const mask = wildcardsOver(name).find((wild) => rules.has(wild))
      if (mask !== undefined) errors.push(`${path}: resource ${JSON.stringify(name)} is masked by earlier rule ${JSON.stringify(mask)}`)
    }
    const configured = listOf(entry?.providers)
    if (configured.length === 0) errors.push(`${path}.providers: Required value: at least one provider is required`)
    const providers: Provider[] = []
    for (const [index, provider] of configured.entries())
      providers.push(...(await providersOf(provider, { path: `${path}.providers[${index}]`, errors, making })))
    names.push(...providers.filter(({ prefix }) => prefix.startsWith('k8s:enc:kms:')).map(({ prefix }) => prefix))
    // What is named again has the further providers behind those it has.
    for (const name of new Set(resources.map(canonical))) rules.set(name, [...(rules.get(name) ?? []), ...providers])
  }
  for (const prefix of new Set(names.filter((name, at) => names.indexOf(name) !== at)))
    errors.push(`resources: Invalid value: "${prefix.split(':').at(-2)}": duplicate KMS provider name, names must be unique`)
  if (errors.length > 0) throw new BadEncryptionConfiguration(errors.join('; '))
  return rules
}

function documentOf(text: string): Record<string, unknown> {
  let value: unknown
  try {
    ;({ value } = parseYaml(text))
  } catch (error) {
    throw new BadEncryptionConfiguration(`error decoding encryption provider configuration: ${(error as Error).message}`)
  }
  if (!isObject(value)) throw new BadEncryptionConfiguration('encryption provider configuration is empty')
  const { kind, apiVersion } = value as Record<string, unknown>
  if (kind !== 'EncryptionConfiguration' || apiVersion !== 'apiserver.config.k8s.io/v1')
    throw new BadEncryptionConfiguration(
      `no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')}: an EncryptionConfiguration of apiserver.config.k8s.io/v1 is needed`,
    )
  // What is misspelt would be left out, and with it somebody's encryption.
  const unfit = misfits(value, SHAPE)
  if (unfit.length > 0) throw new BadEncryptionConfiguration(`strict decoding error: ${unfit.join(', ')}`)
  return value as Record<string, unknown>
}

function listOf(value: unknown): any[] {
  return Array.isArray(value) ? value : []
}

/** Of one entry: each name by itself, then all together. */
function checkResources(path: string, resources: readonly string[]): string[] {
  const errors: string[] = []
  for (const [at, name] of resources.entries()) {
    const fault = faultOf(name)
    if (fault) errors.push(`${path}[${at}]: Invalid value: ${JSON.stringify(name)}: ${fault}`)
  }
  if (errors.length > 0) return errors
  const names = resources.map(canonical)
  const all = `${path}: Invalid value: ${JSON.stringify(resources)}`
  if (new Set(names).size < names.length) errors.push(`${all}: the same resource cannot be specified multiple times`)
  if (names.some((name) => wildcardsOver(name).some((wild) => wild !== name && names.includes(wild)))) errors.push(`${all}: ${OVERLAP}`)
  return errors
}

const OVERLAP = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked"
/** What upstream keeps beside its objects. */
const NO_RESOURCES = new Set(['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations'])

function faultOf(name: string): string | undefined {
  if (name === '') return 'group resource cannot be empty'
  if (name.toLowerCase() !== name) return 'resource name should not contain capital letters'
  if (name === '*') return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
  if (NO_RESOURCES.has(name)) return 'resources which do not have REST API/s cannot be encrypted'
  const [resource, group] = partsOf(name)
  if (group === 'events.k8s.io')
    return "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file"
  if (group === 'extensions') return "'extensions' group has been removed and cannot be used for encryption"
  if (group === '*' && resource !== '*') return 'encrypting the same resource across groups is not supported'
  const stars = name.split('*').length - 1
  return stars > (group === '*' ? 2 : 1) || (stars === 1 && resource !== '*')
    ? 'resource name is invalid: wildcards stand alone'
    : undefined
}

function partsOf(name: string): [resource: string, group: string] {
  const dot = name.indexOf('.')
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)]
}

/** `secrets.` is `secrets`. */
const canonical = (name: string): string => (name.endsWith('.') && name !== '*.' ? name.slice(0, -1) : name)

/** The names that stand for it and others, itself if it is one. */
const wildcardsOver = (name: string): string[] => [`*.${partsOf(name)[1]}`, '*.*']

interface Reading {
  path: string
  errors: string[]
  making: Making
}

async function providersOf(entry: unknown, { path, errors, making }: Reading): Promise<Provider[]> {
  const given = isObject(entry) ? entry : {}
  const named = KINDS.filter((kind) => given[kind] !== undefined)
  if (named.length === 0) {
    errors.push(
      `${path}: Required value: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity`,
    )
    return []
  }
  if (named.length > 1) {
    errors.push(`${path}: Invalid value: more than one provider specified in a single element, should split into different list elements`)
    return []
  }
  const kind = named[0]!
  if (kind === 'identity') return [{ prefix: '', cipher: identity }]
  if (kind === 'kms') return kmsOf(given.kms, { path: `${path}.kms`, errors, making })
  return keysOf(kind, (given[kind] as { keys?: unknown } | null)?.keys, { path: `${path}.${kind}`, errors, making })
}

async function keysOf(kind: string, keys: unknown, { path, errors, making }: Reading): Promise<Provider[]> {
  const made: Provider[] = []
  const seen = new Set<string>()
  const list = listOf(keys)
  if (list.length === 0) errors.push(`${path}.keys: Required value: at least one key is required`)
  for (const [at, key] of list.entries()) {
    const field = `${path}.keys[${at}]`
    const name = typeof key?.name === 'string' ? key.name : ''
    if (name === '') errors.push(`${field}.name: Required value: key name must be provided`)
    else if (name.includes(':')) errors.push(`${field}.name: Invalid value: ${JSON.stringify(name)}: must not contain ":"`)
    else if (seen.has(name)) errors.push(`${field}.name: Invalid value: ${JSON.stringify(name)}: key names must be unique`)
    seen.add(name)
    const text = typeof key?.secret === 'string' ? key.secret : ''
    if (text === '') {
      errors.push(`${field}.secret: Required value: secret must be provided`)
      continue
    }
    const secret = /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 ? Buffer.from(text, 'base64') : undefined
    const sizes = KEY_SIZES[kind]!
    if (!secret) errors.push(`${field}.secret: Invalid value: "REDACTED": secret must be base64 encoded`)
    else if (!sizes.includes(secret.length))
      errors.push(
        `${field}.secret: Invalid value: "REDACTED": secret is not of the expected length, got ${secret.length}, expected one of [${sizes.join(' ')}]`,
      )
    else made.push({ prefix: `k8s:enc:${kind}:v1:${name}:`, cipher: await CIPHERS[kind]!(secret, making.random) })
  }
  return made
}

async function kmsOf(given: unknown, { path, errors, making }: Reading): Promise<Provider[]> {
  const { apiVersion = 'v1', name, cachesize, endpoint, timeout } = (given ?? {}) as Record<string, unknown>
  const before = errors.length
  if (apiVersion !== 'v2') errors.push(`${path}.apiVersion: Invalid value: ${JSON.stringify(apiVersion)}: only kms v2 is supported here`)
  if (typeof name !== 'string' || name === '') errors.push(`${path}.name: Required value: name is required`)
  else if (name.includes(':')) errors.push(`${path}.name: Invalid value: ${JSON.stringify(name)}: must not contain ":"`)
  if (typeof endpoint !== 'string' || !/^unix:\/\/\/?./.test(endpoint))
    errors.push(`${path}.endpoint: Invalid value: ${JSON.stringify(endpoint ?? '')}: unsupported scheme, it must be "unix"`)
  if (cachesize !== undefined && cachesize !== null)
    errors.push(`${path}.cachesize: Invalid value: ${String(cachesize)}: cachesize is not supported in v2`)
  const timeoutMs = timeout === undefined ? 3000 : parseGoDuration(String(timeout))
  if (timeoutMs === undefined || timeoutMs <= 0)
    errors.push(`${path}.timeout: Invalid value: ${JSON.stringify(timeout)}: should be a positive value`)
  if (errors.length > before) return []
  const { kmsProvider } = await import('./kms.ts')
  const socket = (endpoint as string).replace(/^unix:\/\//, '')
  const { provider, plugin } = await kmsProvider({ name: name as string, socket, timeoutMs: timeoutMs! }, making)
  making.connections.use(plugin)
  making.plugins.push(plugin)
  return [provider]
}
