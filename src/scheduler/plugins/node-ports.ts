// Ports of the host that the pod wants must be free.
import { hostPortsOf } from '#scheduler/host-ports.ts'
import type { Plugin } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ["node(s) didn't have free ports for the requested pod ports"] }

export const NodePorts: Plugin = {
  name: 'NodePorts',
  filter({ hostPorts }) {
    if (hostPorts.length === 0) return undefined
    return { check: (node) => (hostPorts.some((port) => node.hostPorts.clashes(port)) ? REFUSAL : undefined) }
  },
  local: ({ hostPorts }) => (hostPorts.length ? JSON.stringify(hostPorts) : ''),
  helps: (change, pod) =>
    (change.type === 'node' && !change.previous) ||
    (change.type === 'pod gone' && hostPortsOf(change.pod).some((one) => pod.hostPorts.some(({ port }) => port === one.port))),
}
