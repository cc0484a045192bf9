// One of several equal processes acts at a time: whoever holds a Lease, renewed every retry period, lost when it could not be renewed.
// Clocks of different machines are never compared: a foreign lease is expired when *we* saw it unchanged for its whole duration.
import { Lease } from '#api/kinds/coordination/lease.ts'
import { hasReason } from '#api/status.ts'
import { type Clock, formatMicroTime } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import { type Service, startAll } from '#lib/service.ts'
import type { Client } from './client.ts'

export interface LeaderElectionOptions {
  client: Client
  clock: Clock
  random: Random
  log: Logger
  lease: { namespace: string; name: string }
  /** Distinct for every process, as host_uuid. */
  identity: string
  leaseDurationMs?: number
  renewDeadlineMs?: number
  retryPeriodMs?: number
  /** The lease was taken, or renewed. */
  onRenewed?(): void
}

export interface Leadership extends AsyncDisposable {
  /** Aborts when leadership is lost or given back. */
  readonly lost: AbortSignal
}

const RETRY_MS = 2000

interface Observed {
  lease: Lease
  atMs: number
}

/** Waits until this process leads. Disposing gives the lease back at once. */
export async function becomeLeader(options: LeaderElectionOptions, signal: AbortSignal): Promise<Leadership> {
  const { clock, random, log, retryPeriodMs = RETRY_MS, renewDeadlineMs = 10_000 } = options
  let observed: Observed | undefined
  const attempt = async () => {
    const outcome = await tryLease(options, observed)
    observed = outcome.observed
    if (outcome.held) options.onRenewed?.()
    return outcome.held
  }
  for (;;) {
    signal.throwIfAborted()
    if (await attempt().catch((error: unknown) => void log.warn('could not take the lease', { error }))) break
    // A little jitter keeps rivals from trying in step.
    await clock.sleep(retryPeriodMs * (1 + 1.2 * random.float()), signal)
  }
  log.info('became leader', { lease: options.lease.name, identity: options.identity })

  const stop = new AbortController()
  const lost = new AbortController()
  const renewing = (async () => {
    let renewed = clock.monotonic()
    while (clock.monotonic() - renewed < renewDeadlineMs) {
      const slept = await clock.sleep(retryPeriodMs, stop.signal).then(
        () => true,
        () => false,
      )
      if (!slept) return
      const held = await attempt().catch((error: unknown) => void log.warn('could not renew the lease', { error }))
      if (held) renewed = clock.monotonic()
      else if (held === false) break
    }
    log.error('lost the lease', { lease: options.lease.name })
    lost.abort(new Error(`lost the lease ${options.lease.name}`))
  })()
  return {
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('leadership was given back'))
      await renewing
      if (!lost.signal.aborted)
        await release(options, observed).catch((error: unknown) => log.warn('could not release the lease', { error }))
      lost.abort(new Error('leadership was given back'))
    },
  }
}

/** Services that run only while this process leads. Its start resolves at once: waiting for leadership is being ready. */
export function leaderElected(services: readonly Service[], options: LeaderElectionOptions & { onLost?(error: unknown): void }): Service {
  return {
    name: `leader-election/${options.lease.name}`,
    async start() {
      const stop = new AbortController()
      const lead = async () => {
        await using leadership = await becomeLeader(options, stop.signal)
        const until = AbortSignal.any([stop.signal, leadership.lost])
        await using running = await startAll(services, { signal: until, monotonic: () => options.clock.monotonic() })
        void running
        await new Promise<void>((resolve) => {
          if (until.aborted) resolve()
          else until.addEventListener('abort', () => resolve(), { once: true })
        })
        if (leadership.lost.aborted) options.onLost?.(leadership.lost.reason)
      }
      const running = (async () => {
        while (!stop.signal.aborted) {
          await lead().catch(async (error: unknown) => {
            if (stop.signal.aborted) return
            // The lease is given back: others may fare better.
            options.log.error('leading came to nothing, trying again', { lease: options.lease.name, error })
            await options.clock.sleep(options.retryPeriodMs ?? RETRY_MS, stop.signal).catch(() => {})
          })
        }
      })()
      return {
        async [Symbol.asyncDispose]() {
          stop.abort(new Error('stopped'))
          await running
        },
      }
    },
  }
}

async function tryLease(options: LeaderElectionOptions, before: Observed | undefined): Promise<{ held: boolean; observed: Observed }> {
  const { client, clock, lease: key, identity, leaseDurationMs = 15_000 } = options
  const now = formatMicroTime(clock.now())
  const spec = { holderIdentity: identity, leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000), acquireTime: now, renewTime: now }
  const current = await client.get(Lease, key).catch((error: unknown) => {
    if (hasReason(error, 'NotFound')) return undefined
    throw error
  })
  if (!current) {
    const created = await client.create(Lease, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...key },
      spec: { ...spec, leaseTransitions: 0 },
    })
    return { held: true, observed: { lease: created, atMs: clock.monotonic() } }
  }
  const unchanged = before && before.lease.metadata?.resourceVersion === current.metadata?.resourceVersion
  const observed = unchanged ? before : { lease: current, atMs: clock.monotonic() }
  const holder = current.spec?.holderIdentity
  const mine = holder === identity
  const durationMs = (current.spec?.leaseDurationSeconds ?? 0) * 1000
  if (holder && !mine && clock.monotonic() - observed.atMs < durationMs) return { held: false, observed }

  const next: Lease = {
    ...current,
    spec: {
      ...current.spec,
      ...spec,
      acquireTime: mine && current.spec?.acquireTime ? current.spec.acquireTime : now,
      leaseTransitions: (current.spec?.leaseTransitions ?? 0) + (mine ? 0 : 1),
    },
  }
  try {
    return { held: true, observed: { lease: await client.update(Lease, next), atMs: clock.monotonic() } }
  } catch (error) {
    if (hasReason(error, 'Conflict') && !mine) return { held: false, observed }
    throw error
  }
}

/** Leaves an empty lease of one second, so that the next in line need not wait. */
async function release({ client, clock, identity }: LeaderElectionOptions, observed: Observed | undefined): Promise<void> {
  if (!observed || observed.lease.spec?.holderIdentity !== identity) return
  const now = formatMicroTime(clock.now())
  await client.update(Lease, {
    ...observed.lease,
    spec: { ...observed.lease.spec, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now },
  })
}
