// Ports of the host that the pod wants must be free.
import { HostPorts, hostPortsOf } from '#scheduler/host-ports.ts'
import type { Plugin } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ["node(s) didn't have free ports for the requested pod ports"] }

export const NodePorts: Plugin = {
  name: 'NodePorts',
  filter({ hostPorts }) {
    if (hostPorts.length === 0) return undefined
    return { check: (node) => (hostPorts.some((port) => node.hostPorts.clashes(port)) ? REFUSAL : undefined) }
  },
  local: ({ hostPorts }) => (hostPorts.length ? JSON.stringify(hostPorts) : ''),
  helps(change, { hostPorts }) {
    if (change.type === 'node') return !change.previous
    if (change.type !== 'pod gone') return false
    const freed = new HostPorts()
    for (const port of hostPortsOf(change.pod)) freed.change(port, 1)
    return hostPorts.some((port) => freed.clashes(port))
  },
}
