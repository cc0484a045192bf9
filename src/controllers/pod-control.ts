// Creating pods from a template and deleting them, with the events every workload controller tells.
import { Pod } from '#api/kinds/core/pod.ts'
import type { Kind } from '#api/kind.ts'
import type { PodTemplateSpec } from '#api/generated/types.ts'
import { keyOf, type KubeObject, type ObjectMeta } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { ControllerContext } from '#client/controller.ts'
import { nextTurn } from '#lib/paced.ts'
import type { EarlyEnds } from './failed-pods.ts'
import { controllerReference } from './owners.ts'

type Tools = Pick<ControllerContext, 'client' | 'events'>

export function podFromTemplate(template: PodTemplateSpec | undefined, owner: KubeObject, ownerKind: Kind<any>): Pod {
  const { labels, annotations, finalizers } = template?.metadata ?? {}
  const metadata: ObjectMeta = {
    generateName: `${owner.metadata?.name}-`,
    namespace: owner.metadata?.namespace ?? 'default',
    ...(labels ? { labels: { ...labels } } : {}),
    ...(annotations ? { annotations: { ...annotations } } : {}),
    ...(finalizers ? { finalizers: [...finalizers] } : {}),
    ownerReferences: [controllerReference(ownerKind, owner)],
  }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: template?.spec ? { ...template.spec } : { containers: [] } }
}

type MakingTools = Pick<ControllerContext, 'client' | 'events' | 'clock'> & { ends: EarlyEnds }

export async function createPod(pod: Pod, owner: KubeObject, { client, events, clock, ends }: MakingTools): Promise<Pod> {
  try {
    const created = await client.create(Pod, pod)
    ends.made(created, { sent: pod, owner }, clock.now())
    events.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata?.name}`)
    return created
  } catch (error) {
    // A namespace on its way out refuses everything: no news to anybody.
    if (!isNamespaceTerminating(error)) events.event(owner, 'Warning', 'FailedCreate', `Error creating: ${textOf(error)}`)
    throw error
  }
}

export async function deletePod(pod: Pod, owner: KubeObject, { client, events }: Tools): Promise<void> {
  try {
    await client.delete(Pod, keyOf(pod))
  } catch (error) {
    if (hasReason(error, 'NotFound')) return
    events.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${textOf(error)}`)
    throw error
  }
  events.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata?.name}`)
}

export function isNamespaceTerminating(error: unknown): boolean {
  return hasReason(error, 'Forbidden') && (error.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating')
}

const BEGUN_PER_TURN = 32

/** Runs `task` `count` times in batches of 1, 2, 4 ...: stops after a batch with a failure, so that a wall is met by few. Returns successes. */
export async function slowStart(count: number, task: () => Promise<unknown>): Promise<{ succeeded: number; error?: unknown }> {
  let remaining = count
  let succeeded = 0
  for (let batch = Math.min(1, remaining); batch > 0; batch = Math.min(2 * batch, remaining)) {
    const results = await together(batch, task)
    const failed = results.find((result) => result.status === 'rejected')
    succeeded += results.filter((result) => result.status === 'fulfilled').length
    if (failed) return { succeeded, error: failed.reason }
    remaining -= batch
  }
  return { succeeded }
}

/** All at once, begun a few in each turn of the event loop: hundreds would keep everybody else waiting. */
async function together(count: number, task: () => Promise<unknown>): Promise<PromiseSettledResult<unknown>[]> {
  const running: Promise<PromiseSettledResult<unknown>[]>[] = []
  for (let begun = 0; begun < count; begun++) {
    if (begun > 0 && begun % BEGUN_PER_TURN === 0) await nextTurn()
    running.push(Promise.allSettled([task()]))
  }
  return (await Promise.all(running)).flat()
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
