// A pod carries the zone and region of its node as labels of its own, from the moment it is bound.
import type { Binding, Pod } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { REGION_LABEL, ZONE_LABEL } from '#api/well-known.ts'
import type { AdmissionPlugin, ServerContext } from '#server/request.ts'
import { target } from './refusal.ts'

const LABELS = [ZONE_LABEL, REGION_LABEL]

export function podTopologyLabels({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'PodTopologyLabels',
    of: ['pods', 'pods/binding', 'bindings'],
    admit(request) {
      const { object, operation } = request
      if (operation !== 'CREATE' || !object) return
      const what = target(request)
      const binding = what === 'pods/binding' || what === 'bindings'
      if (!binding && what !== 'pods') return
      const name = binding ? (object as unknown as Binding).target?.name : (object as Pod).spec?.nodeName
      const labels = name ? reader.get(Node, { name })?.metadata?.labels : undefined
      const found = LABELS.filter((label) => labels?.[label] !== undefined)
      if (found.length === 0) return
      const meta = (object.metadata ??= {})
      meta.labels = { ...meta.labels, ...Object.fromEntries(found.map((label) => [label, labels![label]!])) }
    },
  }
}
