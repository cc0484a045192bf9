// TCP probes: a connection that opens is success.
import { connect } from 'node:net'
import type { TCPSocketAction } from '#api/generated/types.ts'
import { dialError, hostPort } from '#lib/dial-error.ts'
import { type Outcome, portOf, type ProbeTarget } from './outcome.ts'

export async function tcpProbe(action: TCPSocketAction, target: ProbeTarget): Promise<Outcome> {
  const address = { host: action.host || target.podIp, port: portOf(action.port, target) }
  return new Promise((resolve) => {
    const socket = connect({ ...address, signal: target.signal })
    socket.once('connect', () => {
      socket.destroy()
      resolve({ result: 'success', output: '' })
    })
    socket.once('error', (error) => {
      socket.destroy()
      const late = target.signal.aborted
      resolve({ result: 'failure', output: late ? `dial tcp ${hostPort(address)}: i/o timeout` : dialError(error, address) })
    })
  })
}
