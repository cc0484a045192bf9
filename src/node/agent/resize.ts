// Resources changed while a container runs: handed to the runtime without a restart where the resize policy allows it.
import type { Pod, ResourceRequirements } from '#api/generated/types.ts'
import type { Container } from '#node/runtime.ts'
import { resourcesFor } from './container-config.ts'
import type { AgentContext } from './context.ts'
import { containersOf, LABEL, startedWith } from './identity.ts'
import { cgroupParentOf } from './resources.ts'
import { podCgroupLimits } from './sync-pod.ts'

/** What has been applied to each container id that runs, where that differs from what it was started with. */
export async function applyResize(
  pod: Pod,
  containers: readonly Container[],
  { applied, context }: { applied: Map<string, ResourceRequirements>; context: AgentContext },
): Promise<void> {
  let grown = false
  for (const container of containers) {
    if (container.state !== 'running') continue
    const name = container.labels[LABEL.container] ?? container.name
    const typed = containersOf(pod).find(({ spec }) => spec.name === name)
    if (!typed) continue
    const wanted = typed.spec.resources ?? {}
    const current = applied.get(container.id) ?? startedWith(container)
    if (!current || JSON.stringify(current) === JSON.stringify(wanted)) continue
    if (!grown) await context.cgroups?.ensurePod(cgroupParentOf(pod), podCgroupLimits(pod))
    grown = true
    await context.runtime.updateContainerResources(container.id, resourcesFor(pod, typed, context))
    applied.set(container.id, wanted)
  }
}
