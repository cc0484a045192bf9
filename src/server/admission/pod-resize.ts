// A pod that runs already grows only as far as its node reaches.
import { isDeepStrictEqual } from 'node:util'
import type { Pod } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { quantityMilliValue, quantityValue } from '#api/quantity.ts'
import { StatusError } from '#api/status.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { denied, target } from './refusal.ts'
import { podUsage } from './pod-usage.ts'

export function podResizeValidator({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'PodResizeValidator',
    of: ['pods/resize'],
    validate(request) {
      if (target(request) !== 'pods/resize' || request.operation !== 'UPDATE') return
      const pod = request.object as Pod
      const name = pod.spec?.nodeName
      if (!name || isDeepStrictEqual(pod.spec, (request.oldObject as Pod).spec)) return
      const node = reader.get(Node, { name })
      if (!node) throw denied(request, `node ${JSON.stringify(name)} not found`)
      const system = node.metadata?.labels?.['kubernetes.io/os']
      if (system !== undefined && system !== 'linux')
        throw withCause(request, 'UnsupportedPlatform', `pod resize is not supported on ${system} nodes`)
      const { requests } = podUsage(pod)
      const { cpu, memory } = node.status?.allocatable ?? {}
      const short: string[] = []
      const compare = (what: string, asked: number, there: number) => {
        if (asked > there) short.push(`${what}, requested: ${asked}, allocatable: ${there}`)
      }
      compare('cpu', Math.ceil(Number(requests.get('cpu')?.nanos ?? 0n) / 1e6), quantityMilliValue(cpu))
      compare('memory', Math.ceil(Number(requests.get('memory')?.nanos ?? 0n) / 1e9), quantityValue(memory))
      if (short.length > 0) throw withCause(request, 'NodeCapacity', `node didn't have enough allocatable resources: ${short.join('; ')}`)
    },
  }
}

function withCause(request: AdmissionRequest, reason: string, why: string): StatusError {
  const { message, details } = denied(request, why)
  return new StatusError('Forbidden', message, { details: { ...details, causes: [{ reason, message: why }] } })
}
