// What one look at a pod calls for: a pure function from its spec and what runs to a list of things to do. Nothing is done here.
import type { Pod } from '#api/generated/types.ts'
import type { Container, Sandbox } from '#node/runtime.ts'
import { ANNOTATION, containerHash, containersOf, LABEL, startedWith, type TypedContainer } from './identity.ts'
import { restartPolicyOf, shouldRestart } from './restart-policy.ts'
import type { ObservedPod } from './runtime-view.ts'

export type ProbeVerdict = 'success' | 'failure' | 'unknown'

/** Verdicts by container id; undefined where nothing is probed or no verdict is in yet. */
export interface Verdicts {
  liveness(containerId: string): ProbeVerdict | undefined
  startup(containerId: string): ProbeVerdict | undefined
}

export interface Kill {
  container: Container
  spec: TypedContainer
  message: string
  reason: 'liveness' | 'startup' | 'other'
}

export interface Actions {
  /** Everything ends: containers first, then the sandbox. */
  killPod: boolean
  createSandbox: boolean
  attempt: number
  sandbox: Sandbox | undefined
  kill: Kill[]
  /** In order. */
  start: TypedContainer[]
}

export function computeActions(pod: Pod, observed: ObservedPod, verdicts: Verdicts): Actions {
  const { sandbox, changed, attempt } = currentSandbox(pod, observed)
  const actions: Actions = { killPod: changed, createSandbox: changed, attempt, sandbox, kill: [], start: [] }
  const all = containersOf(pod)
  const latest = latestByName(observed.containers)
  const mains = all.filter(({ type }) => type === 'main')
  const inits = all.filter(({ type }) => type === 'init' || type === 'sidecar')

  if (changed) return afterSandboxChange(pod, { actions, mains, inits, latest, observed })

  const here = latestByName(observed.containers.filter(({ sandboxId }) => sandboxId === sandbox!.id))
  for (const container of all) if (container.type === 'ephemeral' && !latest.has(container.spec.name)) actions.start.push(container)

  const initialized = initActions(pod, { actions, inits, mains, here, verdicts })
  if (actions.killPod || !initialized) return actions

  let kept = 0
  const restarts: TypedContainer[] = []
  for (const container of mains) {
    const own = here.get(container.spec.name)
    if (own?.state !== 'running') {
      if (shouldRestart(pod, container, latest.get(container.spec.name))) {
        restarts.push(container)
        if (own?.state === 'unknown') {
          actions.kill.push({
            container: own,
            spec: container,
            message: 'Container is in "unknown" state, try killing it before restart',
            reason: 'other',
          })
        }
      }
      continue
    }
    const fault = faultOf(container, own, verdicts)
    if (!fault) {
      kept++
      continue
    }
    const restart = fault.always || restartPolicyOf(pod, container) !== 'Never'
    if (restart) restarts.push(container)
    actions.kill.push({
      container: own,
      spec: container,
      message: restart ? `${fault.message}, will be restarted` : fault.message,
      reason: fault.reason,
    })
  }
  if (kept === 0 && restarts.length === 0) {
    actions.killPod = true
    actions.start = []
  } else actions.start.push(...restarts)
  return actions
}

interface Parts {
  actions: Actions
  mains: TypedContainer[]
  inits: TypedContainer[]
}

function afterSandboxChange(
  pod: Pod,
  { actions, mains, inits, latest, observed }: Parts & { latest: Map<string, Container>; observed: ObservedPod },
) {
  const restartable = mains.some((container) => restartPolicyOf(pod, container) !== 'Never')
  if (!restartable && actions.attempt !== 0 && observed.containers.length > 0) {
    actions.createSandbox = false
    return actions
  }
  const toStart = mains.filter(
    (container) => !(restartPolicyOf(pod, container) === 'OnFailure' && exitedWell(latest.get(container.spec.name))),
  )
  if (toStart.length === 0) {
    actions.createSandbox = false
    return actions
  }
  actions.start = inits.length > 0 ? [inits[0]!] : toStart
  return actions
}

/** Adds what initialisation still needs; true once the main containers may run. */
function initActions(
  pod: Pod,
  { actions, inits, mains, here, verdicts }: Parts & { here: Map<string, Container>; verdicts: Verdicts },
): boolean {
  if (inits.length === 0) return true
  let initialized = mains.some(({ spec }) => ['created', 'running', 'exited'].includes(here.get(spec.name)?.state ?? ''))
  let reached = initialized
  const start: TypedContainer[] = []
  const next = (index: number) => {
    if (index === inits.length - 1) initialized = true
    else start.push(inits[index + 1]!)
  }
  for (let index = inits.length - 1; index >= 0; index--) {
    const container = inits[index]!
    const sidecar = container.type === 'sidecar'
    const own = here.get(container.spec.name)
    if (!own) {
      if (reached && sidecar) start.push(container)
      continue
    }
    if (reached && !sidecar) continue
    if (own.state === 'running' && sidecar) {
      const startup = container.spec.startupProbe ? (verdicts.startup(own.id) ?? 'unknown') : 'success'
      const liveness = startup === 'success' ? verdicts.liveness(own.id) : undefined
      if (startup === 'failure' || liveness === 'failure') {
        const reason = startup === 'failure' ? 'startup' : 'liveness'
        actions.kill.push({
          container: own,
          spec: container,
          message: `Init container ${container.spec.name} failed ${reason} probe`,
          reason,
        })
        start.push(container)
      }
      if (startup === 'success' && !reached) next(index)
    } else if (own.state === 'exited') {
      if (sidecar) start.push(container)
      else if (own.exitCode !== 0) {
        if (!shouldRestart(pod, container, own)) {
          actions.killPod = true
          actions.start = []
          return false
        }
        start.push(container)
      } else next(index)
    } else if (own.state === 'unknown') {
      actions.kill.push({
        container: own,
        spec: container,
        message: 'Init container is in "unknown" state, try killing it before restart',
        reason: 'other',
      })
      start.push(container)
    } else if (own.state === 'created') start.push(container)
    reached = true
  }
  if (!reached) start.push(inits[0]!)
  actions.start.push(...start.reverse())
  return initialized
}

function faultOf(
  container: TypedContainer,
  own: Container,
  verdicts: Verdicts,
): { message: string; reason: Kill['reason']; always: boolean } | undefined {
  const { name } = container.spec
  const hash = own.annotations[ANNOTATION.hash]
  if (hash && hash !== containerHash(container.spec))
    return { message: `Container ${name} definition changed`, reason: 'other', always: true }
  if (resizeRestarts(container, own)) return { message: `Container ${name} resize requires restart`, reason: 'other', always: true }
  if (verdicts.liveness(own.id) === 'failure')
    return { message: `Container ${name} failed liveness probe`, reason: 'liveness', always: false }
  if (verdicts.startup(own.id) === 'failure') return { message: `Container ${name} failed startup probe`, reason: 'startup', always: false }
  return undefined
}

/** A resource whose policy asks for a restart is not what the container was started with. */
function resizeRestarts({ spec }: TypedContainer, own: Container): boolean {
  const restarting = (spec.resizePolicy ?? []).filter(({ restartPolicy }) => restartPolicy === 'RestartContainer')
  const before = restarting.length > 0 ? startedWith(own) : undefined
  if (!before) return false
  return restarting.some(({ resourceName: name }) => {
    const { requests, limits } = spec.resources ?? {}
    return before.requests?.[name] !== requests?.[name] || before.limits?.[name] !== limits?.[name]
  })
}

/** The newest sandbox, and whether another one is needed. */
export function currentSandbox(pod: Pod, { sandboxes }: ObservedPod): { sandbox: Sandbox | undefined; changed: boolean; attempt: number } {
  const sandbox = sandboxes[0]
  if (!sandbox) return { sandbox, changed: true, attempt: 0 }
  const ready = sandboxes.filter((one) => one.ready)
  const wrong =
    ready.length > 1 ||
    !sandbox.ready ||
    sandbox.hostNetwork !== Boolean(pod.spec?.hostNetwork) ||
    (!sandbox.hostNetwork && sandbox.ips.length === 0)
  return { sandbox, changed: wrong, attempt: wrong ? sandbox.attempt + 1 : sandbox.attempt }
}

export function latestByName(newestFirst: readonly Container[]): Map<string, Container> {
  const latest = new Map<string, Container>()
  for (const container of newestFirst) {
    const name = container.labels[LABEL.container] ?? container.name
    if (!latest.has(name)) latest.set(name, container)
  }
  return latest
}

function exitedWell(container: Container | undefined): boolean {
  return container?.state === 'exited' && container.exitCode === 0
}
