// ttl-after-finished-controller: deletes finished Jobs when their time has come.
import { Job } from '#api/kinds/batch/job.ts'
import { keyOf } from '#api/object.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { JobCondition } from '#api/generated/types.ts'
import type { Controller } from '#client/controller.ts'
import { mapped } from '#client/triggers.ts'

export const ttlAfterFinishedController: Controller = {
  name: 'ttl-after-finished-controller',
  workers: 5,
  triggers: [mapped(Job, (job) => (job.spec?.ttlSecondsAfterFinished !== undefined && finishOf(job) ? [keyOf(job)] : []))],
  async reconcile(key, { client, informers, clock, metrics }) {
    const job = informers.of(Job).get(key)
    const seconds = job?.spec?.ttlSecondsAfterFinished
    if (!job || seconds === undefined || job.metadata?.deletionTimestamp) return
    const finished = finishOf(job)
    if (!finished?.lastTransitionTime) return
    const waitMs = Date.parse(finished.lastTransitionTime) + seconds * 1000 - clock.now()
    if (waitMs > 0) return { requeueAfterMs: waitMs }
    // The time to live may just have been made longer: asked of the API, and deleted only as it was then.
    const fresh = await client.get(Job, key).catch(ignoreNotFound)
    if (!fresh || fresh.spec?.ttlSecondsAfterFinished !== seconds || fresh.metadata?.uid !== job.metadata?.uid) return
    const { uid, resourceVersion } = fresh.metadata!
    metrics.observe('ttl_after_finished_controller_job_deletion_duration_seconds', [], -waitMs / 1000)
    await client
      .delete(Job, key, { propagationPolicy: 'Foreground', preconditions: { uid: uid!, resourceVersion: resourceVersion! } })
      .catch(ignoreNotFound)
  },
}

function finishOf({ status }: Job): JobCondition | undefined {
  return status?.conditions?.find((one) => (one.type === 'Complete' || one.type === 'Failed') && one.status === 'True')
}
