// Pods that need something of the node itself that not every version of it can do go where the node says it can (status.declaredFeatures).
import { equal } from '#api/equal.ts'
import type { PodSpec } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Plugin } from '#scheduler/plugin.ts'

const REFUSAL = { reasons: ["node(s) didn't match Pod's required features"], final: true }

/** What v1.36 infers from a pod that has no node yet. */
const FEATURES: readonly { name: string; neededBy(spec: PodSpec): boolean }[] = [
  {
    name: 'RestartAllContainersOnContainerExits',
    neededBy: ({ containers, initContainers = [] }) =>
      [...containers, ...initContainers].some(({ restartPolicyRules }) =>
        restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'),
      ),
  },
  { name: 'UserNamespacesHostNetworkSupport', neededBy: ({ hostNetwork, hostUsers }) => hostNetwork === true && hostUsers === false },
]

export const NodeDeclaredFeatures: Plugin = {
  name: 'NodeDeclaredFeatures',
  filter({ pod }) {
    const needed = featuresOf(pod.spec)
    if (needed.length === 0) return undefined
    return {
      check: ({ node }) => (declaresAll(node, needed) ? undefined : REFUSAL),
    }
  },
  local: ({ pod }) => featuresOf(pod.spec).join(' '),
  helps(change, { pod }) {
    if (change.type !== 'node' || equal(change.node.status?.declaredFeatures, change.previous?.status?.declaredFeatures)) return false
    return declaresAll(change.node, featuresOf(pod.spec))
  },
}

function declaresAll(node: Node | undefined, needed: readonly string[]): boolean {
  const declared = node?.status?.declaredFeatures ?? []
  return needed.every((name) => declared.includes(name))
}

function featuresOf(spec: PodSpec | undefined): string[] {
  return spec ? FEATURES.flatMap(({ name, neededBy }) => (neededBy(spec) ? [name] : [])) : []
}
