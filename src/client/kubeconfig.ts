// Reads from a kubeconfig how to reach the cluster of its current context, and as whom. Programs that make credentials (exec) and other
// ways that need one to ask (user names and passwords) are refused by name.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CORE_SCHEMA, load } from 'js-yaml'
import { systemReason } from '#lib/system-reason.ts'

export interface Access {
  /** https://host:port */
  url: string
  ca?: string
  cert?: string
  key?: string
  /** Read again for every request where it comes from a file: such tokens are renewed in place. */
  token?: string | (() => string)
  /** To be found in the server's certificate, where it is not the URL's host. */
  servername?: string
}

export class BadKubeconfig extends Error {
  override name = 'BadKubeconfig'
}

type Section = Record<string, unknown>

export function readKubeconfig(file: string): Access {
  let config: Section
  try {
    config = section(load(readFileSync(file, 'utf8'), { schema: CORE_SCHEMA }))
  } catch (error) {
    throw new BadKubeconfig(`the kubeconfig ${file} cannot be read: ${systemReason(error).split('\n')[0]}`)
  }
  const wrong = (what: string) => new BadKubeconfig(`the kubeconfig ${file} ${what}`)
  const current = text(config['current-context'])
  if (!current) throw wrong('has no current-context')
  const context = named(config.contexts, current, 'context')
  const cluster = context && named(config.clusters, text(context.cluster), 'cluster')
  const user = context && named(config.users, text(context.user), 'user')
  if (!cluster || !user) throw wrong(`has no whole context ${current}`)
  const server = text(cluster.server)
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:') throw wrong(`names no https server for context ${current}`)
  for (const [place, keys] of [
    [cluster, ['insecure-skip-tls-verify', 'proxy-url']],
    [user, ['exec', 'auth-provider', 'username', 'as']],
  ] as const) {
    const refused = keys.find((key) => place[key])
    if (refused) throw wrong(`uses ${refused}, which is not supported here`)
  }

  const directory = dirname(resolve(file))
  const material = (of: Section, key: string): string | undefined => {
    const data = text(of[`${key}-data`])
    if (data) return Buffer.from(data, 'base64').toString()
    const path = text(of[key])
    if (!path) return undefined
    try {
      return readFileSync(resolve(directory, path), 'utf8')
    } catch (error) {
      throw wrong(`names ${path}, which cannot be read: ${systemReason(error)}`)
    }
  }
  const tokenFile = text(user.tokenFile)
  const given = {
    ca: material(cluster, 'certificate-authority'),
    cert: material(user, 'client-certificate'),
    key: material(user, 'client-key'),
    token: tokenFile ? () => readFileSync(resolve(directory, tokenFile), 'utf8').trim() : text(user.token) || undefined,
    servername: text(cluster['tls-server-name']) || undefined,
  }
  return { url: server, ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<Access>) }
}

function named(list: unknown, name: string, kind: string): Section | undefined {
  const entry = (Array.isArray(list) ? list : []).map(section).find((one) => text(one.name) === name)
  return entry && section(entry[kind])
}

function section(value: unknown): Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Section) : {}
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
