// The history of a pod template as ControllerRevisions: what StatefulSet and DaemonSet roll out and `kubectl rollout undo` goes back to.
import { ControllerRevision } from '#api/kinds/apps/controller-revision.ts'
import type { Kind } from '#api/kind.ts'
import type { LabelSelector, PodTemplateSpec } from '#api/generated/types.ts'
import { keyOf, type KubeObject } from '#api/object.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { ControllerContext } from '#client/controller.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'
import { claim, controllerOf, controllerReference, isControlledBy } from './owners.ts'
import type { Repeats } from './repeats.ts'
import { canonical, templateHash } from './template-hash.ts'

export const REVISION_HASH = 'controller-revision-hash'

/** What a revision is told apart by; a stateful set's pods name the revision itself. */
const HASH_LABELS: Readonly<Record<string, string>> = { StatefulSet: 'controller.kubernetes.io/hash', DaemonSet: REVISION_HASH }

export interface TemplatedSet extends KubeObject {
  spec?: { template: PodTemplateSpec; selector: LabelSelector; revisionHistoryLimit?: number }
  status?: { collisionCount?: number }
}

export interface History {
  /** Oldest first. */
  revisions: ControllerRevision[]
  /** The one of the present template. */
  update: ControllerRevision
  /** Set when a name was taken by something else: to be written in the status. */
  collisionCount: number | undefined
}

/** `lost`: revisions that came out as another owner's, by set. */
export type HistoryContext = ControllerContext & { lost: Repeats }

/** Finds or makes the revision of the present template. */
export async function syncHistory(set: TemplatedSet, kind: Kind<any>, context: HistoryContext): Promise<History> {
  const { client, informers } = context
  const known = informers.of(ControllerRevision)
  const candidates = [...known.ownedBy(set.metadata?.uid ?? ''), ...known.orphans(set.metadata?.namespace ?? '')]
  const revisions = await claim(candidates, {
    client,
    ownerKind: kind,
    owner: set,
    dependentKind: ControllerRevision,
    // What is its own stays so whatever its labels: given up, it would be made again.
    matches: (revision) => isControlledBy(revision, set) || selectorMatches(set.spec?.selector, revision.metadata?.labels),
  })
  revisions.sort(byNumber)
  const data = dataOf(set)
  const next = (revisions.at(-1)?.revision ?? 0) + 1
  const { collisionCount } = set.status ?? {}
  const name = nameOf(set, templateHash(data, collisionCount))
  // One that was changed as it was made is what there is of this template: the next would be changed, too.
  const equal = revisions.findLast((revision) => canonical(revision.data) === canonical(data) || revision.metadata?.name === name)
  if (!equal) return { ...(await create(set, kind, { data, next, collisionCount, context, revisions })) }
  if (equal === revisions.at(-1)) return { revisions, update: equal, collisionCount }
  // Going back: the old revision becomes the newest again.
  const update = await client.update(ControllerRevision, { ...equal, revision: next })
  return { revisions: [...revisions.filter((revision) => revision !== equal), update], update, collisionCount }
}

/** Deletes the oldest revisions that no pod and no status needs, beyond the limit. `countsUsed`: so many in use fill it as well. */
export async function truncateHistory(
  set: TemplatedSet,
  {
    revisions,
    inUse,
    countsUsed = 0,
    client,
  }: { revisions: readonly ControllerRevision[]; inUse: ReadonlySet<string>; countsUsed?: number; client: ControllerContext['client'] },
): Promise<void> {
  const spare = revisions.filter(({ metadata }) => !inUse.has(metadata?.name ?? ''))
  const surplus = spare.length + countsUsed - (set.spec?.revisionHistoryLimit ?? 10)
  for (const revision of spare.slice(0, Math.max(0, surplus)))
    await client.delete(ControllerRevision, keyOf(revision)).catch(ignoreNotFound)
}

/** The template that a revision holds. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = (data as { spec: { template: PodTemplateSpec & { $patch?: string } } }).spec.template
  return template
}

export function hashOf({ metadata }: KubeObject): string | undefined {
  return metadata?.labels?.[REVISION_HASH]
}

async function create(
  set: TemplatedSet,
  kind: Kind<any>,
  options: { data: unknown; next: number; collisionCount: number | undefined; context: HistoryContext; revisions: ControllerRevision[] },
): Promise<History> {
  const { data, next, context, revisions } = options
  let { collisionCount } = options
  const { uid = '' } = set.metadata ?? {}
  if (context.lost.waitMs(uid, 1, context.clock.now()) > 0) {
    const message = `Revisions are not the set's as they are made, the next has to wait. The last was ${context.lost.last(uid)}`
    context.events.event(set, 'Warning', 'FailedCreate', message)
    throw new Error(message)
  }
  for (;;) {
    const hash = templateHash(data, collisionCount)
    const wanted: ControllerRevision = {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        name: nameOf(set, hash),
        namespace: set.metadata!.namespace!,
        labels: { ...set.spec?.template.metadata?.labels, [HASH_LABELS[kind.kind] ?? REVISION_HASH]: hash },
        // `kubectl rollout history` reads the cause of a change here.
        ...(set.metadata?.annotations ? { annotations: set.metadata.annotations } : {}),
        ownerReferences: [controllerReference(kind, set)],
      },
      data: data as Record<string, unknown>,
      revision: next,
    }
    try {
      const update = await context.client.create(ControllerRevision, wanted)
      const owner = controllerOf(update)
      if (owner && owner.uid !== uid) context.lost.note(uid, update.metadata!.name!, context.clock.now())
      return { revisions: [...revisions, update], update, collisionCount }
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error
      const present = await context.client.get(ControllerRevision, keyOf(wanted))
      if (isControlledBy(present, set)) return { revisions: [...revisions, present], update: present, collisionCount }
      collisionCount = (collisionCount ?? 0) + 1
    }
  }
}

function nameOf({ metadata }: KubeObject, hash: string): string {
  return `${metadata?.name}-${hash}`
}

function dataOf({ spec }: TemplatedSet): unknown {
  return { spec: { template: { ...spec?.template, $patch: 'replace' } } }
}

function byNumber(a: ControllerRevision, b: ControllerRevision): number {
  return a.revision - b.revision || (a.metadata!.name! < b.metadata!.name! ? -1 : 1)
}
