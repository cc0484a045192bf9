// Pods that carry the Job controller's finalizer but belong to no Job any more, as after a deletion that orphans: nobody will ever count
// them, so the finalizer goes. Pods of a Job, finished or gone, are the job controller's.
import { Job } from '#api/kinds/batch/job.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'
import type { Controller } from '#client/controller.ts'
import { mapped } from '#client/triggers.ts'
import { controllerOf } from '#controllers/owners.ts'
import { isTracked, untrack } from './job-pods.ts'

const isOrphan = (pod: Pod) => isTracked(pod) && controllerOf(pod)?.kind !== Job.kind

export const jobOrphanController: Controller = {
  name: 'job-orphan-controller',
  account: 'job-controller',
  component: 'job-controller',
  triggers: [mapped(Pod, (pod) => (isOrphan(pod) ? [keyOf(pod)] : []))],
  reads: [Job],
  async reconcile(key, { client, informers }) {
    const pod = informers.of(Pod).get(key)
    if (!pod || !isOrphan(pod)) return
    const adopter = informers
      .of(Job)
      .list(key.namespace)
      .find(({ metadata, spec }) => !metadata?.deletionTimestamp && selectorMatches(spec?.selector, pod.metadata?.labels))
    if (!adopter) await untrack([pod], client)
  },
}
