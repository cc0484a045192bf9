// Lifecycle hooks: what runs in or against a container right after it has started and right before it is stopped.
import type { LifecycleHandler, Pod } from '#api/generated/types.ts'
import type { Clock } from '#lib/clock.ts'
import { httpProbe } from '#node/probes/http.ts'
import { type Runtime, RuntimeError } from '#node/runtime.ts'
import type { TypedContainer } from './identity.ts'

export interface HookTarget {
  container: TypedContainer
  containerId: string
  podIp: string
  /** Beyond this the hook has failed; undefined: as long as it takes. */
  timeoutSeconds?: number
  signal: AbortSignal
}

export interface HookContext {
  runtime: Pick<Runtime, 'execSync'>
  clock: Clock
}

/** Throws when the hook fails. */
export async function runHook(
  pod: Pod,
  handler: LifecycleHandler,
  { target, context }: { target: HookTarget; context: HookContext },
): Promise<void> {
  const over = new AbortController()
  using _limit = target.timeoutSeconds === undefined ? undefined : context.clock.after(target.timeoutSeconds * 1000, () => over.abort())
  const signal = AbortSignal.any([target.signal, over.signal])
  if (handler.exec) return execHook(handler.exec.command ?? [], { target, context })
  if (handler.httpGet) {
    const { spec } = target.container
    const outcome = await httpProbe(handler.httpGet, {
      podIp: target.podIp,
      containerId: target.containerId,
      ports: (spec.ports ?? []).map(({ name, containerPort }) => ({ containerPort, ...(name ? { name } : {}) })),
      timeoutMs: (target.timeoutSeconds ?? 0) * 1000,
      signal,
    })
    if (outcome.result === 'failure' || outcome.result === 'error') throw new Error(outcome.output)
    return
  }
  if (handler.sleep) return context.clock.sleep(handler.sleep.seconds * 1000, signal).catch(() => undefined)
  throw new Error(`invalid handler: ${JSON.stringify(Object.keys(handler))} of pod ${pod.metadata?.name}`)
}

async function execHook(command: string[], { target, context }: { target: HookTarget; context: HookContext }): Promise<void> {
  try {
    const { exitCode, stdout, stderr } = await context.runtime.execSync(target.containerId, command, target.timeoutSeconds ?? 0)
    if (exitCode !== 0)
      throw new Error(
        `command '${command.join(' ')}' exited with ${exitCode}: ${stderr.toString()}, message: ${JSON.stringify(stdout.toString())}`,
      )
  } catch (error) {
    if (error instanceof RuntimeError && error.reason === 'Timeout')
      throw new Error(`command '${command.join(' ')}' timed out`, { cause: error })
    throw error
  }
}
