// The default profile: every plugin in the order it is asked, with the weight of its score. The one place that says what scheduling takes into account.
import type { Plugin } from './plugin.ts'
import { ImageLocality } from './plugins/image-locality.ts'
import { InterPodAffinity } from './plugins/inter-pod-affinity.ts'
import { NodeAffinity } from './plugins/node-affinity.ts'
import { NodeName } from './plugins/node-name.ts'
import { NodePorts } from './plugins/node-ports.ts'
import { NodeResourcesBalancedAllocation } from './plugins/node-resources-balanced-allocation.ts'
import { NodeResourcesFit } from './plugins/node-resources-fit.ts'
import { NodeUnschedulable } from './plugins/node-unschedulable.ts'
import { PodTopologySpread } from './plugins/pod-topology-spread.ts'
import { TaintToleration } from './plugins/taint-toleration.ts'
import { VolumeBinding } from './plugins/volume-binding.ts'
import { VolumeRestrictions } from './plugins/volume-restrictions.ts'

export interface Profile {
  readonly schedulerName: string
  /** Cheap and decisive filters first: the first refusal of a node ends its check. */
  readonly plugins: readonly { plugin: Plugin; weight: number }[]
}

export function defaultProfile(): Profile {
  return {
    schedulerName: 'default-scheduler',
    plugins: [
      { plugin: NodeUnschedulable, weight: 0 },
      { plugin: NodeName, weight: 0 },
      { plugin: TaintToleration, weight: 3 },
      { plugin: NodeAffinity, weight: 2 },
      { plugin: NodePorts, weight: 0 },
      { plugin: NodeResourcesFit, weight: 1 },
      { plugin: VolumeRestrictions, weight: 0 },
      { plugin: VolumeBinding, weight: 0 },
      { plugin: PodTopologySpread, weight: 2 },
      { plugin: InterPodAffinity, weight: 2 },
      { plugin: NodeResourcesBalancedAllocation, weight: 1 },
      { plugin: ImageLocality, weight: 1 },
    ],
  }
}
