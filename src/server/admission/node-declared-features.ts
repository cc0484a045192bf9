// A pod on a node may not come to need what the node does not say it can.
import type { Pod } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { sameJson } from '#api/validation/same-json.ts'
import type { AdmissionPlugin, ServerContext } from '#server/request.ts'
import { denied } from './refusal.ts'

interface Feature {
  name: string
  /** Whether the change needs the node to have it. */
  neededBy(next: Pod, previous: Pod): boolean
}

/** What v1.36 infers from a change of a pod that has its node. */
const FEATURES: readonly Feature[] = [
  {
    name: 'InPlacePodLevelResourcesVerticalScaling',
    neededBy: (next, previous) => !sameJson(next.spec?.resources ?? {}, previous.spec?.resources ?? {}),
  },
  {
    name: 'InPlacePodVerticalScalingInitContainers',
    neededBy: (next, previous) => !sameJson(initResources(next), initResources(previous)),
  },
]

export function nodeDeclaredFeatureValidator({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'NodeDeclaredFeatureValidator',
    of: ['pods', 'pods/resize'],
    validate(request) {
      const { group, resource, subresource } = request.attributes
      if (group || resource !== 'pods' || (subresource && subresource !== 'resize') || request.operation !== 'UPDATE') return
      const [next, previous] = [request.object as Pod, request.oldObject as Pod]
      const name = next.spec?.nodeName
      if (!name || !previous.spec?.nodeName || next.metadata?.generation === previous.metadata?.generation) return
      const node = reader.get(Node, { name })
      if (!node) throw denied(request, `node ${JSON.stringify(name)} not found`)
      const declared = node.status?.declaredFeatures ?? []
      const missing = FEATURES.filter((feature) => feature.neededBy(next, previous) && !declared.includes(feature.name)).map(
        (one) => one.name,
      )
      if (missing.length > 0)
        throw denied(request, `pod update requires features ${missing.join(', ')} which are not available on node ${JSON.stringify(name)}`)
    },
  }
}

/** Of those that run once; sidecars are resized like any container. */
const initResources = ({ spec }: Pod): unknown[] =>
  (spec?.initContainers ?? [])
    .filter(({ restartPolicy }) => restartPolicy !== 'Always')
    .map(({ name, resources = {} }) => ({ name, resources }))
