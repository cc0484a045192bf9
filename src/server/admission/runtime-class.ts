// What a pod's runtime class brings along: the runtime's own share of resources, and the nodes that have it.
import { isDeepStrictEqual } from 'node:util'
import type { Pod } from '#api/generated/types.ts'
import { RuntimeClass } from '#api/kinds/node/runtime-class.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { onceThere } from './once-there.ts'
import { denied, target } from './refusal.ts'

export function runtimeClass({ reader }: ServerContext): AdmissionPlugin {
  const classOf = (request: AdmissionRequest): RuntimeClass | undefined => {
    const name = (request.object as Pod).spec?.runtimeClassName
    if (name === undefined) return undefined
    const found = reader.get(RuntimeClass, { name })
    if (!found) throw denied(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`)
    return found
  }
  const concerns = (request: AdmissionRequest) => target(request) === 'pods' && request.operation === 'CREATE'
  return {
    name: 'RuntimeClass',
    of: ['pods'],
    admit(request) {
      if (!concerns(request)) return
      const name = (request.object as Pod).spec?.runtimeClassName
      return onceThere(
        reader,
        () => name === undefined || reader.get(RuntimeClass, { name }) !== undefined,
        () => bring(request, classOf(request)),
      )
    },
    validate(request) {
      if (!concerns(request)) return
      const overhead = (request.object as Pod).spec?.overhead
      if (overhead && !classOf(request)?.overhead)
        throw denied(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead')
    },
  }
}

function bring(request: AdmissionRequest, found: RuntimeClass | undefined): void {
  if (!found) return
  const spec = (request.object as Pod).spec!
  const overhead = found.overhead?.podFixed
  if (overhead) {
    if (spec.overhead && !isDeepStrictEqual({ ...spec.overhead }, { ...overhead }))
      throw denied(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    spec.overhead = { ...overhead }
  }
  const { nodeSelector, tolerations } = found.scheduling ?? {}
  for (const [key, value] of Object.entries(nodeSelector ?? {})) {
    const own = spec.nodeSelector && Object.hasOwn(spec.nodeSelector, key) ? spec.nodeSelector[key] : value
    if (own !== value)
      throw denied(request, `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`)
  }
  if (nodeSelector) spec.nodeSelector = { ...spec.nodeSelector, ...nodeSelector }
  const added = (tolerations ?? []).filter((one) => !spec.tolerations?.some((own) => isDeepStrictEqual(own, one)))
  if (added.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...added.map((one) => ({ ...one }))]
}
