// Failed connections in the words of Go's dialer: clients, events and people know these sentences.

export interface Address {
  host: string
  port: number
}

/** `host:port`, IPv6 in brackets. */
export const hostPort = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

export function dialError(error: unknown, address: Address): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  const words: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'i/o timeout',
    ECONNRESET: 'read: connection reset by peer',
    ENOTFOUND: `lookup ${address.host}: no such host`,
  }
  const said = Object.hasOwn(words, code) ? words[code] : message
  return `dial tcp ${hostPort(address)}: ${said}`
}
