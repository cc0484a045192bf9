// What a configMap, secret, downwardAPI or projected volume holds: from the objects it names to files. Reads only; nothing is written here.
import type { KeyToPath, Pod, Volume, VolumeProjection, DownwardAPIVolumeFile } from '#api/generated/types.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { hasReason } from '#api/status.ts'
import { fieldValue, resourceValue } from '#node/agent/downward.ts'
import type { ReadObject } from '#node/agent/environment.ts'
import type { VolumeFile } from './atomic-writer.ts'
import type { ServiceAccountTokens } from './tokens.ts'

const DEFAULT_MODE = 0o644

export interface PayloadContext {
  pod: Pod
  read: ReadObject
  allocatable: Record<string, string>
  tokens: ServiceAccountTokens
}

type Files = Map<string, VolumeFile>

/** undefined: the volume is not one of files made from objects. */
export async function payloadOf(volume: Volume, context: PayloadContext): Promise<Files | undefined> {
  const { configMap, secret, downwardAPI, projected } = volume
  if (configMap) return configMapFiles(configMap, configMap.defaultMode ?? DEFAULT_MODE, context)
  if (secret) {
    const { secretName, items, optional, defaultMode } = secret
    return secretFiles(
      { ...(secretName ? { name: secretName } : {}), ...(items ? { items } : {}), optional: optional ?? false },
      defaultMode ?? DEFAULT_MODE,
      context,
    )
  }
  if (downwardAPI) return downwardFiles(downwardAPI.items, downwardAPI.defaultMode ?? DEFAULT_MODE, context)
  if (!projected) return undefined
  const files: Files = new Map()
  for (const source of projected.sources ?? []) {
    for (const [path, file] of await projectedFiles(source, projected.defaultMode ?? DEFAULT_MODE, context)) files.set(path, file)
  }
  return files
}

async function projectedFiles(source: VolumeProjection, mode: number, context: PayloadContext): Promise<Files> {
  if (source.configMap) return configMapFiles(source.configMap, mode, context)
  if (source.secret) return secretFiles(source.secret, mode, context)
  if (source.downwardAPI) return downwardFiles(source.downwardAPI.items, mode, context)
  if (source.serviceAccountToken) {
    const { path } = source.serviceAccountToken
    const token = await context.tokens.token(context.pod, source.serviceAccountToken)
    const uid = sharedUser(context.pod)
    const own = uid !== undefined || context.pod.spec?.securityContext?.fsGroup !== undefined
    return new Map([[path, { data: Buffer.from(token), mode: own ? 0o600 : mode, ...(uid === undefined ? {} : { uid }) }]])
  }
  const kind = source.clusterTrustBundle ? 'clusterTrustBundle' : source.podCertificate ? 'podCertificate' : 'unknown'
  throw new Error(`projected volume sources of type ${kind} are not supported by this node`)
}

interface ObjectSource {
  name?: string
  items?: KeyToPath[]
  optional?: boolean
}

async function configMapFiles(source: ObjectSource, mode: number, { read }: PayloadContext): Promise<Files> {
  const map = await optionally(source, () => read(ConfigMap, source.name ?? ''))
  const data = new Map<string, Buffer>()
  for (const [key, value] of Object.entries(map?.data ?? {})) data.set(key, Buffer.from(value))
  for (const [key, value] of Object.entries(map?.binaryData ?? {})) data.set(key, Buffer.from(value, 'base64'))
  return chosen(data, source, { mode, missing: (key) => `references non-existent config key: ${key}` })
}

async function secretFiles(source: ObjectSource, mode: number, { read }: PayloadContext): Promise<Files> {
  const secret = await optionally(source, () => read(Secret, source.name ?? ''))
  const data = new Map(Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]))
  return chosen(data, source, { mode, missing: (key) => `references non-existent secret key: ${key}` })
}

async function downwardFiles(items: readonly DownwardAPIVolumeFile[] | undefined, mode: number, context: PayloadContext): Promise<Files> {
  const files: Files = new Map()
  for (const { path, fieldRef, resourceFieldRef, mode: own } of items ?? []) {
    const text = fieldRef
      ? fieldValue(context.pod, fieldRef, { podIps: [], hostIps: [] })
      : resourceFieldRef
        ? resourceValue(context.pod, resourceFieldRef, { allocatable: context.allocatable })
        : ''
    files.set(path, { data: Buffer.from(text), mode: own ?? mode })
  }
  return files
}

function chosen(data: ReadonlyMap<string, Buffer>, source: ObjectSource, options: { mode: number; missing(key: string): string }): Files {
  const files: Files = new Map()
  if (!source.items || source.items.length === 0) {
    for (const [key, value] of data) files.set(key, { data: value, mode: options.mode })
    return files
  }
  for (const { key, path, mode } of source.items) {
    const value = data.get(key)
    if (value) files.set(path, { data: value, mode: mode ?? options.mode })
    else if (!source.optional) throw new Error(options.missing(key))
  }
  return files
}

async function optionally<T>({ optional }: ObjectSource, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (optional && hasReason(error, 'NotFound')) return undefined
    throw error
  }
}

/** The user all containers of the pod run as, if the spec says so of all of them alike. */
function sharedUser(pod: Pod): number | undefined {
  const outer = pod.spec?.securityContext?.runAsUser
  const users = new Set(
    [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map((c) => c.securityContext?.runAsUser ?? outer),
  )
  return users.size === 1 ? [...users][0] : undefined
}
