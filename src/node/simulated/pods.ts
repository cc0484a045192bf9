// Pods of simulated nodes: bound, they run at once with an address of their node; with the annotation sampan.dev/run-seconds those that
// may end do so after that time (sampan.dev/exit-code, default 0); deleted, they are gone. Their status is made as on real nodes.
import type { Pod as ApiPod } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { Clock, Timer } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { ANNOTATION, containersOf, identityOf, LABEL } from '#node/agent/identity.ts'
import { podStatus } from '#node/agent/pod-status.ts'
import type { ObservedPod } from '#node/agent/runtime-view.ts'
import { difference } from '#node/agent/status-writer.ts'
import type { Container, ContainerState } from '#node/runtime.ts'
import { AddressPool } from './addresses.ts'
import type { WorkPool } from './work-pool.ts'

const RUN_SECONDS = 'sampan.dev/run-seconds'
const EXIT_CODE = 'sampan.dev/exit-code'

export interface SimulatedPodsOptions {
  client: Client
  clock: Clock
  pool: WorkPool
  log: Logger
  /** undefined: not one of ours. */
  node(name: string): { ip: string; podCidr: string } | undefined
}

interface Known {
  ip: string
  pool: AddressPool | undefined
  timer?: Timer
  deleted: boolean
  done: boolean
}

export class SimulatedPods {
  readonly #options: SimulatedPodsOptions
  readonly #known = new Map<string, Known>()
  readonly #addresses = new Map<string, AddressPool>()

  constructor(options: SimulatedPodsOptions) {
    this.#options = options
  }

  /** Before the first pod is observed: addresses that pods have are not given out again. */
  reserve(pods: Iterable<ApiPod>): void {
    for (const { spec, status } of pods) {
      const node = spec?.nodeName ? this.#options.node(spec.nodeName) : undefined
      if (node && status?.podIP && status.phase !== 'Failed' && status.phase !== 'Succeeded')
        this.#poolOf(node.podCidr).reserve(status.podIP)
    }
  }

  observe(object: ApiPod | undefined, previous: ApiPod | undefined): void {
    const uid = object?.metadata?.uid
    const before = previous?.metadata?.uid
    if (before && before !== uid) this.#forget(before)
    const node = object?.spec?.nodeName && uid ? this.#options.node(object.spec.nodeName) : undefined
    if (!object || !node) return
    if (object.metadata?.deletionTimestamp) return this.#delete(object)
    const phase = object.status?.phase ?? 'Pending'
    if (phase === 'Failed' || phase === 'Succeeded') return this.#free(uid!)
    const present = this.#known.get(uid!)
    // Who thought the node lost has marked its pods: they are shown as they are again.
    const told = phase === 'Running' && object.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
    if (present && (told || phase !== 'Running')) return
    const known = present ?? this.#admit(object, node)
    if (told) return this.#scheduleEnd(object, known)
    this.#options.pool.add(uid!, () => this.#run(object, { known, nodeIp: node.ip }))
  }

  stop(): void {
    for (const { timer } of this.#known.values()) timer?.cancel()
    this.#known.clear()
  }

  #admit(pod: ApiPod, node: { ip: string; podCidr: string }): Known {
    const pool = this.#poolOf(node.podCidr)
    const held = pod.status?.podIP
    if (held) pool.reserve(held)
    const ip = pod.spec?.hostNetwork ? node.ip : (held ?? pool.take() ?? '')
    const known: Known = { ip, pool: pod.spec?.hostNetwork ? undefined : pool, deleted: false, done: false }
    this.#known.set(pod.metadata!.uid!, known)
    return known
  }

  #poolOf(cidr: string): AddressPool {
    let pool = this.#addresses.get(cidr)
    if (!pool) this.#addresses.set(cidr, (pool = new AddressPool(cidr)))
    return pool
  }

  async #run(pod: ApiPod, { known, nodeIp }: { known: Known; nodeIp: string }): Promise<void> {
    if (this.#known.get(pod.metadata!.uid!) !== known || known.deleted) return
    const stored = await this.#write(pod, { known, nodeIp, ended: false })
    if (stored) this.#scheduleEnd(stored, known)
  }

  #scheduleEnd(pod: ApiPod, known: Known): void {
    const seconds = Number(pod.metadata?.annotations?.[RUN_SECONDS])
    if (pod.spec?.restartPolicy === 'Always' || !(seconds >= 0)) return
    const { clock, pool } = this.#options
    const uid = pod.metadata!.uid!
    known.timer?.cancel()
    const started = pod.status?.containerStatuses?.[0]?.state?.running?.startedAt ?? pod.status?.startTime
    const dueAt = (started ? Date.parse(started) : clock.now()) + seconds * 1000
    known.timer = clock.after(dueAt - clock.now(), () => {
      if (!known.deleted) pool.add(uid, async () => void (await this.#write(pod, { known, nodeIp: pod.status?.hostIP ?? '', ended: true })))
    })
  }

  async #write(pod: ApiPod, { known, nodeIp, ended }: { known: Known; nodeIp: string; ended: boolean }): Promise<ApiPod | undefined> {
    const { client, clock } = this.#options
    const now = clock.now()
    const observed = observedPod(pod, { ip: known.ip, ended, now })
    const previous = pod.status ?? {}
    const status = podStatus(pod, {
      observed,
      previous,
      failures: new Map(),
      runtimeName: 'simulated',
      applied: () => undefined,
      verdicts: { startup: () => 'success', liveness: () => 'success', readiness: () => 'success' },
      hostIps: nodeIp ? [nodeIp] : [],
      now,
      ...(ended ? { terminal: true } : {}),
    })
    const patch = { metadata: { uid: pod.metadata?.uid }, status: difference(status, previous) }
    try {
      return await client.patch(Pod, keyOf(pod), { type: 'strategic', patch }, { subresource: 'status' })
    } catch (error) {
      if (hasReason(error, 'NotFound', 'Conflict')) return undefined
      throw error
    }
  }

  #delete(pod: ApiPod): void {
    const uid = pod.metadata!.uid!
    const known = this.#known.get(uid)
    if (known?.done) return
    const entry: Known = known ?? { ip: '', pool: undefined, deleted: true, done: false }
    entry.deleted = true
    entry.done = true
    entry.timer?.cancel()
    this.#known.set(uid, entry)
    this.#options.pool.add(uid, async () => {
      try {
        await this.#options.client.delete(Pod, keyOf(pod), { gracePeriodSeconds: 0, preconditions: { uid } })
      } catch (error) {
        if (!hasReason(error, 'NotFound', 'Conflict')) throw error
      }
    })
  }

  #free(uid: string): void {
    const known = this.#known.get(uid)
    known?.timer?.cancel()
    known?.pool?.free(known.ip)
    if (known) known.pool = undefined
  }

  #forget(uid: string): void {
    this.#free(uid)
    this.#known.delete(uid)
  }
}

function observedPod(pod: ApiPod, { ip, ended, now }: { ip: string; ended: boolean; now: number }): ObservedPod {
  const identity = identityOf(pod)
  const exitCode = Number(pod.metadata?.annotations?.[EXIT_CODE] ?? 0) || 0
  const sandboxId = `sandbox-${identity.uid}`
  const container = (name: string, state: ContainerState, code: number): Container => {
    const startedAt = Date.parse(pod.status?.containerStatuses?.find((one) => one.name === name)?.state?.running?.startedAt ?? '') || now
    return {
      id: `${identity.uid}-${name}`,
      sandboxId,
      name,
      attempt: 0,
      state,
      image: containersOf(pod).find(({ spec }) => spec.name === name)?.spec.image ?? '',
      imageRef: 'simulated',
      createdAt: startedAt,
      startedAt,
      finishedAt: state === 'exited' ? now : 0,
      exitCode: code,
      reason: state === 'exited' ? (code === 0 ? 'Completed' : 'Error') : '',
      message: '',
      labels: { [LABEL.container]: name },
      annotations: { [ANNOTATION.restartCount]: '0' },
      logPath: '',
    }
  }
  const hostNetwork = Boolean(pod.spec?.hostNetwork)
  return {
    sandboxes: [
      {
        id: sandboxId,
        ...identity,
        attempt: 0,
        ready: !ended,
        createdAt: now,
        ips: hostNetwork ? [] : [ip],
        hostNetwork,
        labels: {},
        annotations: {},
      },
    ],
    containers: containersOf(pod).map(({ spec, type }) => {
      if (type === 'init') return container(spec.name, 'exited', 0)
      if (!ended) return container(spec.name, 'running', 0)
      return container(spec.name, 'exited', type === 'main' ? exitCode : 0)
    }),
  }
}
