// A container's environment: service links, envFrom, then env in order, where later names win and $(NAME) refers to earlier ones.
import type { Container as ContainerSpec, EnvVarSource, Pod, Service } from '#api/generated/types.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { fieldValue, type PodFacts, resourceValue } from './downward.ts'
import { expand } from './expansion.ts'

/** Reads one object of the pod's namespace; throws NotFound. */
export type ReadObject = <T extends KubeObject>(kind: Kind<T>, name: string) => Promise<T>

export interface EnvironmentContext {
  facts: PodFacts
  allocatable: Record<string, string>
  services: readonly Service[]
  read: ReadObject
}

export async function containerEnvironment(pod: Pod, container: ContainerSpec, context: EnvironmentContext): Promise<Map<string, string>> {
  const links = serviceLinks(pod, context.services)
  const environment = new Map<string, string>()
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data = configMapRef
      ? await optionally(configMapRef.optional, async () => (await context.read(ConfigMap, configMapRef.name ?? '')).data)
      : secretRef
        ? await optionally(secretRef.optional, async () => decoded((await context.read(Secret, secretRef.name ?? '')).data))
        : undefined
    for (const [key, value] of Object.entries(data ?? {})) environment.set(prefix + key, value)
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const text = value
      ? expand(value, (other) => environment.get(other) ?? links.get(other))
      : valueFrom
        ? await valueOf(valueFrom, { pod, container, context })
        : ''
    if (text !== undefined) environment.set(name, text)
  }
  for (const [name, value] of links) if (!environment.has(name)) environment.set(name, value)
  return environment
}

async function valueOf(
  source: EnvVarSource,
  { pod, container, context }: { pod: Pod; container: ContainerSpec; context: EnvironmentContext },
): Promise<string | undefined> {
  const namespace = pod.metadata?.namespace
  if (source.fieldRef) return fieldValue(pod, source.fieldRef, context.facts)
  if (source.resourceFieldRef) return resourceValue(pod, source.resourceFieldRef, { container, allocatable: context.allocatable })
  if (source.configMapKeyRef) {
    const { name = '', key, optional } = source.configMapKeyRef
    const map = await optionally(optional, () => context.read(ConfigMap, name))
    const value = ownValue(map?.data, key)
    if (value === undefined && !optional) throw new Error(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`)
    return value
  }
  if (source.secretKeyRef) {
    const { name = '', key, optional } = source.secretKeyRef
    const secret = await optionally(optional, () => context.read(Secret, name))
    const value = ownValue(secret?.data, key)
    if (value === undefined && !optional) throw new Error(`couldn't find key ${key} in Secret ${namespace}/${name}`)
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString()
  }
  throw new Error('environment variables from files (fileKeyRef) are not supported by this node')
}

function ownValue(data: Record<string, string> | undefined, key: string): string | undefined {
  return data && Object.hasOwn(data, key) ? data[key] : undefined
}

async function optionally<T>(optional: boolean | undefined, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (optional && hasReason(error, 'NotFound')) return undefined
    throw error
  }
}

function decoded(data: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}

/** Variables for every service of the namespace, and for the API always. */
function serviceLinks(pod: Pod, services: readonly Service[]): Map<string, string> {
  const namespace = pod.metadata?.namespace
  const chosen = new Map<string, Service>()
  for (const service of services) {
    const { name = '', namespace: home } = service.metadata ?? {}
    const ip = service.spec?.clusterIP
    if (!ip || ip === 'None') continue
    const master = home === 'default' && name === 'kubernetes'
    const linked = home === namespace && pod.spec?.enableServiceLinks !== false
    if (linked || (master && !chosen.has(name))) chosen.set(name, service)
  }
  const links = new Map<string, string>()
  for (const name of [...chosen.keys()].sort()) addLinks(links, chosen.get(name)!)
  return links
}

function addLinks(links: Map<string, string>, service: Service): void {
  const prefix = variable(service.metadata!.name!)
  const ip = service.spec!.clusterIP!
  const host = ip.includes(':') ? `[${ip}]` : ip
  const ports = service.spec!.ports ?? []
  const first = ports[0]
  if (!first) return
  links.set(`${prefix}_SERVICE_HOST`, ip)
  links.set(`${prefix}_SERVICE_PORT`, String(first.port))
  for (const { name, port } of ports) if (name) links.set(`${prefix}_SERVICE_PORT_${variable(name)}`, String(port))
  links.set(`${prefix}_PORT`, `${(first.protocol ?? 'TCP').toLowerCase()}://${host}:${first.port}`)
  for (const { port, protocol = 'TCP' } of ports) {
    const one = `${prefix}_PORT_${port}_${protocol}`
    links.set(one, `${protocol.toLowerCase()}://${host}:${port}`)
    links.set(`${one}_PROTO`, protocol.toLowerCase())
    links.set(`${one}_PORT`, String(port))
    links.set(`${one}_ADDR`, ip)
  }
}

function variable(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}
