// Ports of one pod that are told twice, or so that nobody can say which is meant.
import type { Container, ContainerPort } from '#api/generated/types.ts'

/** Each is held against those before it: of very many the first only. */
const MOST_PORTS = 200

interface Placed {
  port: ContainerPort
  at: string
}

export function portWarnings(containers: Iterable<readonly [Container, string]>): string[] {
  const ports: Placed[] = []
  for (const [container, path] of containers)
    for (const [index, port] of (container.ports ?? []).entries()) ports.push({ port, at: `${path}.ports[${index}]` })
  return [...numberWarnings(ports.slice(0, MOST_PORTS)), ...nameWarnings(ports)]
}

function numberWarnings(ports: readonly Placed[]): string[] {
  const warnings: string[] = []
  const earlier = new Map<string, Placed[]>()
  for (const { port, at } of ports) {
    const { hostIP = '', hostPort = 0, containerPort, protocol = 'TCP', name = '' } = port
    if (hostIP && !hostPort)
      warnings.push(
        `${at}: hostIP set without hostPort: {Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`,
      )
    const key = `${containerPort}/${protocol}`
    const others = earlier.get(key) ?? []
    for (const other of others) {
      const kind = conflict({ hostIP, hostPort }, other.port)
      if (kind) warnings.push(`${at}: ${kind} port definition with ${other.at}`)
    }
    others.push({ port, at })
    earlier.set(key, others)
  }
  return warnings
}

function conflict({ hostIP, hostPort }: { hostIP: string; hostPort: number }, other: ContainerPort): string | undefined {
  const { hostIP: otherIP = '', hostPort: otherPort = 0 } = other
  if (hostIP === otherIP && hostPort === otherPort) return 'duplicate'
  if (hostPort === 0 || otherPort === 0) return 'overlapping'
  return hostPort === otherPort && (hostIP === '') !== (otherIP === '') ? 'dangerously ambiguous' : undefined
}

function nameWarnings(ports: readonly Placed[]): string[] {
  const first = new Map<string, string>()
  return ports.flatMap(({ port: { name }, at }) => {
    if (!name) return []
    const other = first.get(name)
    if (other)
      return [
        `${at}: duplicate port name ${JSON.stringify(name)} with ${other}, services and probes that select ports by name will use ${other}`,
      ]
    first.set(name, at)
    return []
  })
}
