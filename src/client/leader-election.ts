// One of several equal processes acts at a time: whoever holds a Lease, renewed every retry period, lost when it could not be renewed.
// Clocks of different machines are never compared: a foreign lease is expired when *we* saw it unchanged for its whole duration.
import { equal } from '#api/equal.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { hasReason } from '#api/status.ts'
import { type Clock, formatMicroTime } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import { type Service, startAll } from '#lib/service.ts'
import type { Client } from './client.ts'
import { createEventRecorder } from './event-recorder.ts'

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
  /** Who its events name as their source; without it there are none. */
  component?: string
  /** The lease was taken, or renewed, by what was asked at this time of the monotonic clock. */
  onRenewed?(askedMs: number): void
}

export interface Leadership extends AsyncDisposable {
  /** Aborts when leadership is lost or given back. */
  readonly lost: AbortSignal
}

const RETRY_MS = 2000
/** Others may act five seconds later. */
export const RENEW_DEADLINE_MS = 10_000

interface Observed {
  lease: Lease
  atMs: number
}

/** Waits until this process leads. Disposing gives the lease back at once. */
export async function becomeLeader(options: LeaderElectionOptions, signal: AbortSignal): Promise<Leadership> {
  const { clock, random, log, retryPeriodMs = RETRY_MS, renewDeadlineMs = RENEW_DEADLINE_MS } = options
  let observed: Observed | undefined
  let renewedMs = 0
  const attempt = async () => {
    const askedMs = clock.monotonic()
    const outcome = await tryLease(options, observed)
    observed = outcome.observed
    if (outcome.held) {
      renewedMs = askedMs
      options.onRenewed?.(askedMs)
    }
    return outcome.held
  }
  const leftMs = () => renewedMs + renewDeadlineMs - clock.monotonic()
  const ended = new AbortController()
  const tell = teller(options, ended.signal)
  for (;;) {
    signal.throwIfAborted()
    const held = await attempt().catch((error: unknown) => void log.warn('could not take the lease', { error }))
    // What was answered too late may be another's by now.
    if (held && leftMs() > 0) break
    // A little jitter keeps rivals from trying in step.
    await clock.sleep(retryPeriodMs * (1 + 1.2 * random.float()), signal)
  }
  log.info('became leader', { lease: options.lease.name, identity: options.identity })
  tell(observed?.lease, 'became leader')

  const stop = new AbortController()
  const lost = new AbortController()
  const renewing = (async () => {
    while (leftMs() > 0 && (await wait(clock, retryPeriodMs, stop.signal))) {
      // After a long pause others lead: nothing is asked any more before everything has stopped.
      if (leftMs() <= 0) break
      const trying = attempt().catch((error: unknown) => void log.warn('could not renew the lease', { error }))
      // A server may take a request and never answer.
      const answered = new AbortController()
      const held = await Promise.race([trying, wait(clock, leftMs(), answered.signal).then(() => undefined)])
      answered.abort(new Error('answered'))
      if (held === false) break
    }
    if (stop.signal.aborted) return
    log.error('lost the lease', { lease: options.lease.name })
    tell(observed?.lease, 'stopped leading')
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
      ended.abort(new Error('leads no more'))
    },
  }
}

/** False: the signal came first. */
function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  return clock.sleep(ms, signal).then(
    () => true,
    () => false,
  )
}

/** Events of the lease, as upstream's. */
function teller(options: LeaderElectionOptions, signal: AbortSignal): (lease: Lease | undefined, what: string) => void {
  const { component, identity } = options
  if (component === undefined) return () => {}
  const { client, clock, random, log } = options
  const events = createEventRecorder({ client, clock, random, log, component, signal })
  return (lease, what) => {
    if (lease) events.event(lease, 'Normal', 'LeaderElection', `${identity} ${what}`)
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
  // Who labels the lease of one that is dead has not renewed it.
  const unchanged = before && equal(before.lease.spec, current.spec)
  const observed = unchanged ? { lease: current, atMs: before.atMs } : { lease: current, atMs: clock.monotonic() }
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
