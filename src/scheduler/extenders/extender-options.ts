// Extenders as the configuration file describes them: HTTP services asked about nodes beside the plugins.
import { parseDuration, type Shape } from '#api/configuration-file.ts'
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import { qualifiedName } from '#api/names.ts'

export interface ExtenderConfig {
  urlPrefix?: string
  filterVerb?: string
  preemptVerb?: string
  prioritizeVerb?: string
  weight?: number
  bindVerb?: string
  enableHTTPS?: boolean
  tlsConfig?: TlsConfig
  httpTimeout?: string
  nodeCacheCapable?: boolean
  managedResources?: { name?: string; ignoredByScheduler?: boolean }[]
  ignorable?: boolean
}

interface TlsConfig {
  insecure?: boolean
  serverName?: string
  certFile?: string
  keyFile?: string
  caFile?: string
  /** In base64. */
  certData?: string
  keyData?: string
  caData?: string
}

export interface ExtenderOptions {
  /** Without a slash at its end. */
  url: string
  /** Empty: it is not asked that. */
  filterVerb: string
  preemptVerb: string
  prioritizeVerb: string
  bindVerb: string
  weight: number
  timeoutMs: number
  /** Whether it knows the nodes by their names. */
  nodeCacheCapable: boolean
  /** Whether scheduling goes on without it when it fails. */
  ignorable: boolean
  /** Empty: it is asked about every pod. */
  managedResources: readonly string[]
  /** Those of them that the scheduler does not count itself. */
  ignoredResources: readonly string[]
  tls: { ca?: string; cert?: string; key?: string; servername?: string; rejectUnauthorized?: boolean }
}

export const EXTENDER_SHAPE: Shape = {
  urlPrefix: 'text',
  filterVerb: 'text',
  preemptVerb: 'text',
  prioritizeVerb: 'text',
  weight: 'integer',
  bindVerb: 'text',
  enableHTTPS: 'flag',
  tlsConfig: {
    insecure: 'flag',
    serverName: 'text',
    certFile: 'text',
    keyFile: 'text',
    caFile: 'text',
    certData: 'text',
    keyData: 'text',
    caData: 'text',
  },
  httpTimeout: 'duration',
  nodeCacheCapable: 'flag',
  managedResources: [{ name: 'text', ignoredByScheduler: 'flag' }],
  ignorable: 'flag',
}

const DEFAULT_TIMEOUT = '5s'

interface Reading {
  errors: FieldError[]
  readFile(path: string): string
}

export function extendersOf(configs: readonly ExtenderConfig[], { errors, readFile }: Reading): ExtenderOptions[] {
  const binders = configs.filter(({ bindVerb }) => bindVerb).length
  if (binders > 1) errors.push(invalid('extenders', `found ${binders} extenders implementing bind`, 'only one extender can implement bind'))
  const managed = new Set<string>()
  return configs.map((config, i) => {
    const at = `extenders[${i}]`
    const { urlPrefix = '', prioritizeVerb = '', weight = 0, managedResources = [] } = config
    const scheme = URL.canParse(urlPrefix) ? new URL(urlPrefix).protocol : ''
    if (scheme !== 'http:' && scheme !== 'https:') errors.push(invalid(`${at}.urlPrefix`, urlPrefix, 'must be an http or https URL'))
    if (prioritizeVerb && !(weight > 0)) errors.push(invalid(`${at}.weight`, weight, 'must have a positive weight applied to it'))
    const timeoutMs = parseDuration(config.httpTimeout ?? DEFAULT_TIMEOUT) || parseDuration(DEFAULT_TIMEOUT)!
    for (const [j, { name = '' }] of managedResources.entries()) {
      const path = `${at}.managedResources[${j}].name`
      for (const why of qualifiedName(name)) errors.push(invalid(path, name, why))
      if (!name.includes('/') || name.split('/')[0]!.endsWith('kubernetes.io'))
        errors.push(invalid(path, name, `${name} is an invalid extended resource name`))
      if (managed.has(name)) errors.push(invalid(path, name, 'duplicate extender managed resource name'))
      managed.add(name)
    }
    return {
      url: urlPrefix.replace(/\/+$/, ''),
      filterVerb: config.filterVerb ?? '',
      preemptVerb: config.preemptVerb ?? '',
      prioritizeVerb,
      bindVerb: config.bindVerb ?? '',
      weight,
      timeoutMs,
      nodeCacheCapable: config.nodeCacheCapable ?? false,
      ignorable: config.ignorable ?? false,
      managedResources: managedResources.map(({ name = '' }) => name),
      ignoredResources: managedResources.flatMap(({ name = '', ignoredByScheduler }) => (ignoredByScheduler ? [name] : [])),
      tls: tlsOf(config.tlsConfig ?? {}, { at: `${at}.tlsConfig`, errors, readFile, enableHTTPS: config.enableHTTPS ?? false }),
    }
  })
}

/** With `enableHTTPS` and nobody named who vouches for it, an extender is taken at its word, as upstream takes it. */
function tlsOf(
  config: TlsConfig,
  { at, errors, readFile, enableHTTPS }: Reading & { at: string; enableHTTPS: boolean },
): ExtenderOptions['tls'] {
  const { insecure = false, serverName } = config
  const read = (what: 'ca' | 'cert' | 'key') => {
    const [data, file] = [config[`${what}Data`], config[`${what}File`]]
    if (data) return Buffer.from(data, 'base64').toString('utf8')
    if (!file) return undefined
    try {
      return readFile(file)
    } catch (error) {
      errors.push(invalid(`${at}.${what}File`, file, (error as Error).message))
      return undefined
    }
  }
  const [ca, cert, key] = [read('ca'), read('cert'), read('key')]
  if (insecure && ca) errors.push(forbidden(`${at}.insecure`, 'specifying a root certificates file with the insecure flag is not allowed'))
  if ((cert === undefined) !== (key === undefined))
    errors.push(required(`${at}.${cert ? 'keyFile' : 'certFile'}`, 'certificate and key go together'))
  return {
    ...(ca ? { ca } : {}),
    ...(cert && key ? { cert, key } : {}),
    ...(serverName ? { servername: serverName } : {}),
    ...(insecure || (enableHTTPS && !ca) ? { rejectUnauthorized: false } : {}),
  }
}
