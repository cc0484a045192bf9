// exec, attach and port-forward: options checked here, then a tunnel to the kubelet.
import type { Kind } from '#api/kind.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { StatusError } from '#api/status.ts'
import { isSet } from '#server/http/request-info.ts'
import { assertAllowed } from '#server/access/authorizers.ts'
import type { Authorizer, Exchange, ObjectReader, SubresourceHandler, SubresourceRequest } from '#server/request.ts'
import type { Kubelets } from './kubelets.ts'
import { containerOf, nodeNameOf, podOf } from './pod-container.ts'
import { tunnel } from './tunnel.ts'

export interface StreamContext {
  reader: ObjectReader
  authorizer: Authorizer
  kubelets: Kubelets
}

export function podStreams(context: StreamContext): SubresourceHandler[] {
  const handler = (subresource: string, path: (pod: Pod, query: URLSearchParams) => string): SubresourceHandler => ({
    kind: Pod as Kind<any>,
    subresource,
    connect: (request, exchange) => stream(context, request, { exchange, path }),
  })
  return [
    handler('exec', (pod, query) => {
      const commands = query.getAll('command')
      if (commands.length === 0) throw new StatusError('BadRequest', 'you must specify at least 1 command for the container')
      return containerPath('exec', pod, { query, commands })
    }),
    handler('attach', (pod, query) => containerPath('attach', pod, { query, commands: [] })),
    handler('portforward', (pod, query) => {
      const ports = query.getAll('ports').flatMap((text) => text.split(','))
      for (const port of ports)
        if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535)
          throw new StatusError('BadRequest', `invalid port ${JSON.stringify(port)}: must be between 1 and 65535, inclusive`)
      const forwarded = new URLSearchParams(ports.map((port): [string, string] => ['port', port]))
      return `/portForward/${pod.metadata!.namespace}/${pod.metadata!.name}${forwarded.size > 0 ? `?${forwarded}` : ''}`
    }),
  ]
}

async function stream(
  { reader, authorizer, kubelets }: StreamContext,
  { key, attributes, query }: SubresourceRequest,
  { exchange, path }: { exchange: Exchange; path(pod: Pod, query: URLSearchParams): string },
): Promise<void> {
  // WebSockets begin with GET, but what they do here takes the right to create.
  if (attributes.verb !== 'create') await assertAllowed(authorizer, { ...attributes, verb: 'create' })
  const pod = podOf(reader, key)
  const target = path(pod, query)
  const address = kubelets.address(nodeNameOf(pod))
  await tunnel(exchange, { scheme: 'https', ...address, tls: kubelets.tls }, target)
}

const SWITCHES: [option: string, kubelet: string][] = [
  ['stdin', 'input'],
  ['stdout', 'output'],
  ['stderr', 'error'],
  ['tty', 'tty'],
]

function containerPath(verb: string, pod: Pod, { query, commands }: { query: URLSearchParams; commands: string[] }): string {
  const container = containerOf(pod, query.get('container') ?? '')
  const forwarded = new URLSearchParams()
  for (const [option, kubelet] of SWITCHES) if (isSet(query.get(option))) forwarded.set(kubelet, '1')
  if (!['input', 'output', 'error'].some((name) => forwarded.has(name)))
    throw new StatusError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr')
  for (const command of commands) forwarded.append('command', command)
  return `/${verb}/${pod.metadata!.namespace}/${pod.metadata!.name}/${container}?${forwarded}`
}
