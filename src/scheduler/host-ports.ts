// Ports of the host that pods claim. The address 0.0.0.0 (the default) clashes with every other.
import type { Pod } from '#api/kinds/core/pod.ts'

export interface HostPort {
  ip: string
  /** `TCP/80` */
  port: string
}

const EVERYWHERE = '0.0.0.0'

export function hostPortsOf(pod: Pod): HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...(pod.spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostIP, hostPort, protocol = 'TCP' }) =>
      hostPort ? [{ ip: hostIP || EVERYWHERE, port: `${protocol}/${hostPort}` }] : [],
    ),
  )
}

/** Claims counted, as pods that cannot run together may still be on one node for a while. */
export class HostPorts {
  readonly #claims = new Map<string, Map<string, number>>()

  change({ ip, port }: HostPort, by: 1 | -1): void {
    const claims = this.#claims.get(port) ?? new Map<string, number>()
    const count = (claims.get(ip) ?? 0) + by
    if (count > 0) claims.set(ip, count)
    else claims.delete(ip)
    if (claims.size) this.#claims.set(port, claims)
    else this.#claims.delete(port)
  }

  clashes({ ip, port }: HostPort): boolean {
    const claims = this.#claims.get(port)
    if (!claims) return false
    return ip === EVERYWHERE || claims.has(EVERYWHERE) || claims.has(ip)
  }
}
