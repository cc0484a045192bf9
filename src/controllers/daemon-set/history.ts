// A daemon set's revisions, told apart without fail by the label that its pods carry, too, and each template there once.
import { ControllerRevision } from '#api/kinds/apps/controller-revision.ts'
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { ControllerContext } from '#client/controller.ts'
import { hashOf, type History, type HistoryContext, REVISION_HASH, syncHistory } from '#controllers/revision-history.ts'
import { canonical } from '#controllers/template-hash.ts'

export async function daemonHistory(set: DaemonSet, pods: readonly Pod[], context: HistoryContext): Promise<History> {
  const history = await syncHistory(set, DaemonSet, context)
  const revisions: ControllerRevision[] = []
  for (const revision of history.revisions) revisions.push(hashOf(revision) === undefined ? await named(revision, context) : revision)
  const update = revisions[history.revisions.indexOf(history.update)]!
  return { ...history, update, revisions: await withoutCopies(revisions, { update, pods, context }) }
}

/** One that was adopted may lack the label: its name does as well. */
function named(revision: ControllerRevision, { client }: ControllerContext): Promise<ControllerRevision> {
  const { metadata } = revision
  const labels = { ...metadata?.labels, [REVISION_HASH]: metadata!.name! }
  return client.update(ControllerRevision, { ...revision, metadata: { ...metadata, labels } })
}

/** Of several of one template the newest stays, and pods made by the others count as made by it. */
async function withoutCopies(
  revisions: readonly ControllerRevision[],
  { update, pods, context }: { update: ControllerRevision; pods: readonly Pod[]; context: ControllerContext },
): Promise<ControllerRevision[]> {
  const data = revisions.length > 1 ? canonical(update.data) : ''
  const copies = new Set(revisions.filter((revision) => revision !== update && canonical(revision.data) === data))
  for (const copy of copies) {
    for (const pod of pods.filter((one) => hashOf(one) === hashOf(copy))) {
      const labels = { [REVISION_HASH]: hashOf(update) }
      await context.client.patch(Pod, keyOf(pod), { type: 'merge', patch: { metadata: { uid: pod.metadata?.uid, labels } } })
    }
    await context.client.delete(ControllerRevision, keyOf(copy)).catch(ignoreNotFound)
  }
  return revisions.filter((revision) => !copies.has(revision))
}
