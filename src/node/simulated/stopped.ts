// How a node leaves a deleted pod that others hold on to with finalizers: nothing of it runs any more, and its status says so. Who waits for a
// pod's end reads it there.
import type { ContainerStatus, Pod, PodStatus } from '#api/generated/types.ts'
import { ANNOTATION, LABEL } from '#node/agent/identity.ts'
import { podStatus } from '#node/agent/pod-status.ts'
import type { Container } from '#node/runtime.ts'

const KILLED = 137
const RUNTIME = 'simulated'

export function stoppedStatus(pod: Pod, now: number): PodStatus {
  const { status = {} } = pod
  const statuses = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  const sandboxId = `sandbox-${pod.metadata?.uid}`
  return podStatus(pod, {
    observed: { sandboxes: [], containers: statuses.flatMap((one) => killed(one, { sandboxId, now })) },
    previous: status,
    failures: new Map(),
    runtimeName: RUNTIME,
    applied: () => undefined,
    verdicts: { startup: () => 'failure', liveness: () => 'success', readiness: () => 'failure' },
    hostIps: status.hostIPs?.flatMap(({ ip }) => ip ?? []) ?? [],
    now,
    terminal: true,
  })
}

function killed(
  { name, state, restartCount, image, imageID, containerID = '' }: ContainerStatus,
  { sandboxId, now }: { sandboxId: string; now: number },
): Container[] {
  if (!state?.running) return []
  const startedAt = Date.parse(state.running.startedAt ?? '') || now
  return [
    {
      id: containerID.slice(`${RUNTIME}://`.length),
      sandboxId,
      name,
      attempt: restartCount,
      state: 'exited',
      image,
      imageRef: imageID,
      createdAt: startedAt,
      startedAt,
      finishedAt: now,
      exitCode: KILLED,
      reason: 'Error',
      message: '',
      labels: { [LABEL.container]: name },
      annotations: { [ANNOTATION.restartCount]: String(restartCount) },
      logPath: '',
    },
  ]
}
