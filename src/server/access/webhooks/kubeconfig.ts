// Where a webhook is and how to speak to it: a kubeconfig file whose current context names the server. Programs and plugins it may name are refused.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isObject } from '#api/clone.ts'
import { parseYaml, YamlError } from '#api/codec/yaml.ts'
import { ConfigurationError } from '#api/configuration-file.ts'
import { systemReason } from '#lib/system-reason.ts'
import type { Calls } from '#server/access/outgoing-call.ts'

export interface WebhookPlace {
  url: string
  headers: Record<string, string>
  ca?: string
  certificate?: string
  key?: string
}

type Fields = Record<string, unknown>

/** Throws ConfigurationError. */
export function readWebhookKubeconfig(file: string): WebhookPlace {
  const refuse = (why: string): never => {
    throw new ConfigurationError(`${file}: ${why}`)
  }
  const folder = dirname(file)
  const config = readYaml(file)
  const context = named(config['contexts'], text(config['current-context']), 'context')
  const cluster = named(config['clusters'], text(context?.['cluster']), 'cluster') ?? refuse('the current context names no cluster')
  const user = named(config['users'], text(context?.['user']), 'user') ?? {}
  for (const field of ['exec', 'auth-provider', 'username', 'password', 'as'])
    if (user[field] !== undefined) refuse(`users: ${field} is not supported; use a client certificate or a token`)
  if (cluster['insecure-skip-tls-verify']) refuse('clusters: insecure-skip-tls-verify is not supported; give certificate-authority')
  for (const field of ['tls-server-name', 'proxy-url']) if (cluster[field]) refuse(`clusters: ${field} is not supported`)
  const server = text(cluster['server'])
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:')
    refuse(`clusters: server ${JSON.stringify(server)} is no https address`)

  const data = (from: Fields, field: string): string => {
    const inline = text(from[`${field}-data`])
    if (inline) return Buffer.from(inline, 'base64').toString()
    const path = text(from[field])
    return path ? readText(resolve(folder, path)) : ''
  }
  const token = text(user['token']) || (text(user['tokenFile']) ? readText(resolve(folder, text(user['tokenFile']))).trim() : '')
  const [ca, certificate, key] = [data(cluster, 'certificate-authority'), data(user, 'client-certificate'), data(user, 'client-key')]
  return {
    url: server,
    headers: token ? { authorization: `Bearer ${token}` } : {},
    ...(ca ? { ca } : {}),
    ...(certificate && key ? { certificate, key } : {}),
  }

  function named(list: unknown, name: string, field: string): Fields | undefined {
    const found = Array.isArray(list) ? list.find((one) => isObject(one) && one['name'] === name) : undefined
    return found && isObject(found[field]) ? (found[field] as Fields) : undefined
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigurationError(`${file}: ${systemReason(error)}`)
  }
}

function readYaml(file: string): Fields {
  try {
    const { value } = parseYaml(readText(file))
    if (isObject(value)) return value as Fields
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    throw new ConfigurationError(`${file}: ${error.message}`)
  }
  throw new ConfigurationError(`${file}: not a kubeconfig`)
}

const PAUSE_MS = 500
const FACTOR = 1.5
const TRIES = 5
const TRANSIENT = new Set([429, 500, 502, 503, 504])

export interface ReviewCall {
  place: WebhookPlace
  review: { apiVersion: string; kind: string; spec: unknown }
  call: Calls
  sleep(ms: number): Promise<void>
  timeoutMs: number
}

/** The review as answered. What may pass by itself is tried again a few times; throws an Error saying what failed. */
export async function postReview({ place, review, call, sleep, timeoutMs }: ReviewCall): Promise<Fields> {
  const { headers, ...where } = place
  const body = JSON.stringify({ ...review, metadata: {} })
  for (let attempt = 1, pause = PAUSE_MS; ; attempt++, pause *= FACTOR) {
    const last = attempt === TRIES
    try {
      const asked = { ...where, headers: { ...headers, accept: 'application/json', 'content-type': 'application/json' }, body, timeoutMs }
      const answer = await call({ ...asked, method: 'POST' })
      if (answer.status >= 200 && answer.status < 300) return readAnswer(answer.body)
      if (last || !TRANSIENT.has(answer.status)) throw new Final(`the webhook answered ${answer.status}`)
    } catch (error) {
      if (last || error instanceof Final)
        throw new Error(`Post ${JSON.stringify(place.url)}: ${(error as Error).message}`, { cause: error })
    }
    await sleep(pause)
  }
}

class Final extends Error {}

function readAnswer(body: Buffer): Fields {
  try {
    const value: unknown = JSON.parse(body.toString())
    if (isObject(value)) return value as Fields
  } catch {
    // Falls through: an answer that is no object is none.
  }
  throw new Final('the webhook answered no review')
}
