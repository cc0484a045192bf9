// Every plugin by name: where it takes part, what its score weighs in the default profile, and how it is made. The one place that says what
// scheduling takes into account, in upstream's order.
import type { Plugin } from './plugin.ts'
import { dynamicResources } from './plugins/dynamic-resources.ts'
import { ImageLocality } from './plugins/image-locality.ts'
import { interPodAffinity } from './plugins/inter-pod-affinity.ts'
import { nodeAffinity } from './plugins/node-affinity.ts'
import { NodeDeclaredFeatures } from './plugins/node-declared-features.ts'
import { NodeName } from './plugins/node-name.ts'
import { NodePorts } from './plugins/node-ports.ts'
import { nodeResourcesBalancedAllocation } from './plugins/node-resources-balanced-allocation.ts'
import { nodeResourcesFit } from './plugins/node-resources-fit.ts'
import { NodeUnschedulable } from './plugins/node-unschedulable.ts'
import { NodeVolumeLimits } from './plugins/node-volume-limits.ts'
import { podTopologySpread } from './plugins/pod-topology-spread.ts'
import { SchedulingGates } from './plugins/scheduling-gates.ts'
import { TaintToleration } from './plugins/taint-toleration.ts'
import { volumeBinding } from './plugins/volume-binding.ts'
import { VolumeRestrictions } from './plugins/volume-restrictions.ts'
import { VolumeZone } from './plugins/volume-zone.ts'

export const POINTS = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
] as const
export type Point = (typeof POINTS)[number]

export interface PluginEntry {
  name: string
  points: readonly Point[]
  /** Of its score, by default. */
  weight?: number
  /** Absent: the scheduler itself does it. */
  make?(options: any): Plugin
}

const always = (plugin: Plugin) => () => plugin

export const PLUGINS: readonly PluginEntry[] = [
  { name: 'SchedulingGates', points: ['preEnqueue'], make: always(SchedulingGates) },
  { name: 'PrioritySort', points: ['queueSort'] },
  { name: 'NodeUnschedulable', points: ['filter'], make: always(NodeUnschedulable) },
  { name: 'NodeName', points: ['filter'], make: always(NodeName) },
  { name: 'TaintToleration', points: ['filter', 'preScore', 'score'], weight: 3, make: always(TaintToleration) },
  { name: 'NodeAffinity', points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2, make: nodeAffinity },
  { name: 'NodePorts', points: ['preFilter', 'filter'], make: always(NodePorts) },
  { name: 'NodeResourcesFit', points: ['preFilter', 'filter', 'preScore', 'score'], weight: 1, make: nodeResourcesFit },
  { name: 'VolumeRestrictions', points: ['preFilter', 'filter'], make: always(VolumeRestrictions) },
  { name: 'NodeVolumeLimits', points: ['preFilter', 'filter'], make: always(NodeVolumeLimits) },
  { name: 'VolumeBinding', points: ['preFilter', 'filter', 'reserve', 'preBind'], make: volumeBinding },
  { name: 'VolumeZone', points: ['preFilter', 'filter'], make: always(VolumeZone) },
  { name: 'PodTopologySpread', points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2, make: podTopologySpread },
  { name: 'InterPodAffinity', points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2, make: interPodAffinity },
  {
    name: 'DynamicResources',
    points: ['preEnqueue', 'preFilter', 'filter', 'postFilter', 'score', 'reserve', 'preBind'],
    weight: 2,
    make: dynamicResources,
  },
  { name: 'DefaultPreemption', points: ['postFilter'] },
  { name: 'NodeResourcesBalancedAllocation', points: ['preScore', 'score'], weight: 1, make: nodeResourcesBalancedAllocation },
  { name: 'ImageLocality', points: ['score'], weight: 1, make: always(ImageLocality) },
  { name: 'DefaultBinder', points: ['bind'] },
  { name: 'NodeDeclaredFeatures', points: ['preFilter', 'filter'], make: always(NodeDeclaredFeatures) },
]

export const pluginNamed = (name: string): PluginEntry | undefined => PLUGINS.find((one) => one.name === name)
