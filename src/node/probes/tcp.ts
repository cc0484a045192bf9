// TCP probes: a connection that opens is success.
import { connect, isIPv6 } from 'node:net'
import type { TCPSocketAction } from '#api/generated/types.ts'
import { dialError, type Outcome, portOf, type ProbeTarget } from './outcome.ts'

export async function tcpProbe(action: TCPSocketAction, target: ProbeTarget): Promise<Outcome> {
  const host = action.host || target.podIp
  const port = portOf(action.port, target)
  const address = `${isIPv6(host) ? `[${host}]` : host}:${port}`
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal: target.signal })
    socket.once('connect', () => {
      socket.destroy()
      resolve({ result: 'success', output: '' })
    })
    socket.once('error', (error) => {
      socket.destroy()
      resolve({ result: 'failure', output: target.signal.aborted ? `dial tcp ${address}: i/o timeout` : dialError(error, address) })
    })
  })
}
