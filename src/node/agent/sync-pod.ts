// One step of a pod that should run: volumes, sandbox, then whatever its containers call for. Runs to its end or until aborted; the next
// step starts from what is then observed.
import { mkdir } from 'node:fs/promises'
import type { Pod, PodStatus } from '#api/generated/types.ts'
import { RuntimeClass } from '#api/kinds/node/runtime-class.ts'
import { ignoreNotFound } from '#api/status.ts'
import type { PodCgroupLimits } from '#node/cgroups.ts'
import type { SandboxConfig } from '#node/runtime.ts'
import { type Actions, computeActions, latestByName } from './actions.ts'
import type { StartFailure } from './container-status.ts'
import type { AgentContext } from './context.ts'
import { identityOf, podLogDirectory } from './identity.ts'
import { Grace, killContainer, killContainers, type KillContext } from './kill.ts'
import { podRequest, podLimit, qosClassOf, quotaOf, sharesOf, CPU_PERIOD } from './resources.ts'
import { sandboxConfig } from './sandbox-config.ts'
import { startContainer } from './start-container.ts'
import type { AllVerdicts } from './pod-status.ts'

export interface SyncRequest {
  verdicts: AllVerdicts
  /** The last start failure of each container; changed here. */
  failures: Map<string, StartFailure>
  previous(): PodStatus
  kill: KillContext
  signal: AbortSignal
  /** Something worth showing has happened. */
  report(): void
}

export interface SyncResult {
  /** Everything has run and nothing will run again. */
  finished: boolean
  /** Epoch milliseconds. */
  retryAt?: number
}

const RETRY_MS = 1000

export async function syncPod(pod: Pod, { request, context }: { request: SyncRequest; context: AgentContext }): Promise<SyncResult> {
  const uid = pod.metadata?.uid ?? ''
  const { view, clock, events } = context
  const retries: number[] = []

  // Before anything else of the pod is on the node: whatever is left after a crash is found by it.
  await mkdir(podLogDirectory(context.logDirectory, identityOf(pod)), { recursive: true, mode: 0o755 })
  const failures = await context.volumes.setUp(pod)
  for (const { message } of failures) events.event(pod, 'Warning', 'FailedMount', message)
  request.signal.throwIfAborted()
  if (failures.length > 0) return { finished: false, retryAt: clock.now() + context.volumes.retryDelayMs(uid) }

  const observed = view.pod(uid)
  const actions = computeActions(pod, observed, request.verdicts)
  if (actions.killPod) {
    if (actions.createSandbox && observed.sandboxes.length > 0) {
      events.event(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.')
    }
    await killEverything(pod, { request, context })
    if (!actions.createSandbox) return { finished: true }
  } else await killSome(pod, actions, { request, context })

  const sandbox = await ensureSandbox(pod, actions, { request, context })
  if (typeof sandbox === 'number') return { finished: false, retryAt: sandbox }
  const latest = latestByName(view.pod(uid).containers)
  for (const container of actions.start) {
    request.signal.throwIfAborted()
    const { name } = container.spec
    const result = await startContainer(pod, container, {
      request: { ...sandbox, latest: latest.get(name), previous: request.previous(), signal: request.signal, kill: request.kill },
      context,
    })
    if (!result) {
      request.failures.delete(name)
      request.report()
      continue
    }
    request.failures.set(name, result)
    if (result.retryAt !== undefined) retries.push(result.retryAt)
    request.report()
    if (container.type === 'init') break
  }
  const renewAt = context.volumes.renewAt(uid)
  if (renewAt !== undefined) retries.push(renewAt)
  return { finished: false, ...(retries.length > 0 ? { retryAt: Math.min(...retries) } : {}) }
}

interface ReadySandbox {
  sandboxId: string
  sandbox: SandboxConfig
  podIps: readonly string[]
}

/** The sandbox, or when to try again. */
async function ensureSandbox(
  pod: Pod,
  actions: Actions,
  { request, context }: { request: SyncRequest; context: AgentContext },
): Promise<ReadySandbox | number> {
  const { runtime, view, events, clock, log } = context
  const uid = pod.metadata?.uid ?? ''
  const failed = (reason: string, message: string) => {
    events.event(pod, 'Warning', reason, message)
    return clock.now() + RETRY_MS * 4
  }
  let made
  try {
    made = sandboxConfig(pod, actions.attempt, context)
  } catch (error) {
    return failed('FailedCreatePodSandBox', `Failed to generate sandbox config for pod: ${(error as Error).message}`)
  }
  const { config, dropped } = made
  if (!actions.createSandbox) return { sandboxId: actions.sandbox!.id, sandbox: config, podIps: ipsOf(pod, actions.sandbox!.ips, context) }

  const handler = await unknownHandler(pod, context)
  if (handler) return failed('FailedCreatePodSandBox', `Failed to create pod sandbox: ${handler}`)
  for (const message of dropped) events.event(pod, 'Warning', 'DNSConfigForming', message)
  try {
    await context.cgroups?.ensurePod(config.cgroupParent, podCgroupLimits(pod))
  } catch (error) {
    return failed('FailedCreatePodContainer', `unable to ensure pod container exists: ${(error as Error).message}`)
  }
  let sandboxId: string
  try {
    sandboxId = await runtime.runPodSandbox(config)
  } catch (error) {
    log.warn('could not create a sandbox', { pod: pod.metadata?.name, error })
    return failed('FailedCreatePodSandBox', `Failed to create pod sandbox: ${(error as Error).message}`)
  }
  await view.refreshSandbox(sandboxId)
  request.report()
  const ips = view.pod(uid).sandboxes.find(({ id }) => id === sandboxId)?.ips ?? []
  return { sandboxId, sandbox: config, podIps: ipsOf(pod, ips, context) }
}

const HANDLERS = new Set(['', 'runc', 'crun'])

/** Why the pod's runtime class cannot be used; undefined: it can, or there is none. */
async function unknownHandler(pod: Pod, { client }: AgentContext): Promise<string | undefined> {
  const name = pod.spec?.runtimeClassName
  if (!name) return undefined
  const found = await client.get(RuntimeClass, { name }).catch(ignoreNotFound)
  if (!found) return `failed to get sandbox runtime: runtimeclass.node.k8s.io "${name}" not found`
  return HANDLERS.has(found.handler) ? undefined : `no runtime for "${found.handler}" is configured`
}

export function ipsOf(pod: Pod, ips: readonly string[], context: Pick<AgentContext, 'node'>): readonly string[] {
  return pod.spec?.hostNetwork ? context.node().ips : ips
}

async function killSome(pod: Pod, actions: Actions, { request, context }: { request: SyncRequest; context: AgentContext }): Promise<void> {
  await Promise.all(
    actions.kill.map(async ({ container, spec, message, reason }) => {
      const probe = reason === 'liveness' ? spec.spec.livenessProbe : reason === 'startup' ? spec.spec.startupProbe : undefined
      const grace = new Grace(probe?.terminationGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30)
      await killContainer(pod, container, { spec, message, grace, context: request.kill })
      await context.view.refreshContainer(container.id)
    }),
  )
}

async function killEverything(pod: Pod, { request, context }: { request: SyncRequest; context: AgentContext }): Promise<void> {
  const { view, runtime } = context
  const uid = pod.metadata?.uid ?? ''
  const { containers, sandboxes } = view.pod(uid)
  const running = containers.filter(({ state }) => state === 'running' || state === 'unknown')
  await killContainers(pod, running, { grace: new Grace(pod.spec?.terminationGracePeriodSeconds ?? 30), context: request.kill })
  await Promise.all(running.map(({ id }) => view.refreshContainer(id)))
  // Also those that are not ready: one that died by itself still has its network.
  for (const { id } of sandboxes) {
    await runtime.stopPodSandbox(id)
    await view.refreshSandbox(id)
  }
}

export function podCgroupLimits(pod: Pod): PodCgroupLimits {
  const cpu = podLimit(pod, 'cpu')
  return {
    cpuShares: qosClassOf(pod) === 'BestEffort' ? 2 : sharesOf(podRequest(pod, 'cpu').milliValue()),
    cpuQuota: cpu ? quotaOf(cpu.milliValue()) : 0,
    cpuPeriod: CPU_PERIOD,
    memoryLimitBytes: podLimit(pod, 'memory')?.value() ?? 0,
  }
}
