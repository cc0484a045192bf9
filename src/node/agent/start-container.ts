// Starting one container: back-off, image, configuration, creation, start, postStart hook, each with the kubelet's events and reasons.
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Pod, PodStatus } from '#api/generated/types.ts'
import type { Container, SandboxConfig } from '#node/runtime.ts'
import { containerConfig } from './container-config.ts'
import type { StartFailure } from './container-status.ts'
import { type AgentContext, containerEvents } from './context.ts'
import { runHook } from './hooks.ts'
import { containerHash, formatPod, restartCountOf, type TypedContainer } from './identity.ts'
import { ImageFailure } from './images.ts'
import { Grace, killContainer, type KillContext } from './kill.ts'
import { goSeconds } from './restart-backoff.ts'

export interface StartRequest {
  sandboxId: string
  sandbox: SandboxConfig
  podIps: readonly string[]
  /** The newest instance there is. */
  latest: Container | undefined
  previous: PodStatus
  signal: AbortSignal
  kill: KillContext
}

/** Why it could not be started and when to try again (epoch milliseconds); undefined: it runs. */
export type StartResult = (StartFailure & { retryAt?: number }) | undefined

const RETRY_MS = 10_000

export async function startContainer(
  pod: Pod,
  container: TypedContainer,
  { request, context }: { request: StartRequest; context: AgentContext },
): Promise<StartResult> {
  const { spec } = container
  const { runtime, restarts, clock } = context
  const announce = containerEvents(context, pod, container)
  const refused = (reason: string, message: string, retryAt = clock.now() + RETRY_MS): StartResult => {
    announce('Warning', 'Failed', `Error: ${message}`)
    return { reason, message, retryAt }
  }

  const waiting = backOff(pod, container, { latest: request.latest, context })
  if (waiting) {
    announce('Warning', 'BackOff', `Back-off restarting failed container ${spec.name} in pod ${formatPod(pod)}`)
    return waiting
  }

  let image
  try {
    image = await context.images.ensure(pod, spec, {
      read: context.reader(pod.metadata?.namespace ?? ''),
      announce,
      signal: request.signal,
    })
  } catch (error) {
    request.signal.throwIfAborted()
    if (!(error instanceof ImageFailure)) throw error
    announce('Warning', 'Failed', `Error: ${error.reason}`)
    return { reason: error.reason, message: error.message, retryAt: error.retryAt ?? clock.now() + RETRY_MS }
  }

  const attempt = attemptOf(container, request)
  let config
  try {
    config = await containerConfig(pod, container, { request: { attempt, image, podIps: request.podIps }, context })
    await mkdir(dirname(join(request.sandbox.logDirectory, config.logPath)), { recursive: true, mode: 0o755 })
  } catch (error) {
    return refused('CreateContainerConfigError', (error as Error).message)
  }

  request.signal.throwIfAborted()
  let id: string
  try {
    id = await runtime.createContainer(request.sandboxId, config, request.sandbox)
  } catch (error) {
    return refused('CreateContainerError', (error as Error).message)
  }
  announce('Normal', 'Created', 'Container created')
  // Only what came into being counts as a restart.
  if (request.latest?.state === 'exited') restarts.next(backOffKey(pod, container), request.latest.finishedAt)
  try {
    await runtime.startContainer(id)
  } catch (error) {
    await context.view.refreshContainer(id)
    return refused('RunContainerError', (error as Error).message)
  }
  announce('Normal', 'Started', 'Container started')
  await context.view.refreshContainer(id)
  return postStart(pod, container, { id, request, context })
}

async function postStart(
  pod: Pod,
  container: TypedContainer,
  { id, request, context }: { id: string; request: StartRequest; context: AgentContext },
): Promise<StartResult> {
  const handler = container.spec.lifecycle?.postStart
  if (!handler) return undefined
  try {
    const target = { container, containerId: id, podIp: request.podIps[0] ?? '', signal: request.signal }
    await runHook(pod, handler, { target, context })
    return undefined
  } catch (error) {
    const { message } = error as Error
    containerEvents(context, pod, container)('Warning', 'FailedPostStartHook', 'PostStartHook failed')
    const running = await context.runtime.containerStatus(id)
    if (running) {
      const grace = new Grace(pod.spec?.terminationGracePeriodSeconds ?? 30)
      await killContainer(pod, running, { spec: container, message: 'FailedPostStartHook', grace, context: request.kill })
      await context.view.refreshContainer(id)
    }
    return { reason: 'PostStartHookError', message, retryAt: context.clock.now() }
  }
}

function backOffKey(pod: Pod, { spec }: TypedContainer): string {
  return `${pod.metadata?.uid}/${spec.name}/${containerHash(spec)}`
}

/** How long to wait before a container that has ended may be made again. */
function backOff(
  pod: Pod,
  container: TypedContainer,
  { latest, context }: { latest: Container | undefined; context: AgentContext },
): StartResult {
  if (latest?.state !== 'exited') return undefined
  const key = backOffKey(pod, container)
  const retryAt = context.restarts.waitUntil(key, latest.finishedAt)
  if (retryAt === undefined) return undefined
  const message = `back-off ${goSeconds(context.restarts.delayMs(key))} restarting failed container=${container.spec.name} pod=${formatPod(pod)}`
  return { reason: 'CrashLoopBackOff', message, retryAt }
}

/** One more than the last instance known to the runtime or, when that was removed, to the API. */
function attemptOf({ spec }: TypedContainer, { latest, previous }: StartRequest): number {
  if (latest) return restartCountOf(latest) + 1
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = previous
  const known = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].find(({ name }) => name === spec.name)
  return known && (known.lastState?.terminated || known.state?.terminated || known.state?.running)
    ? known.restartCount + 1
    : (known?.restartCount ?? 0)
}
