import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lease } from '#api/kinds/coordination/lease.ts'
import type { CoreEvent } from '#api/kinds/core/event.ts'
import { alreadyExistsError, conflictError, notFoundError, StatusError } from '#api/status.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import type { Client } from './client.ts'
import { becomeLeader } from './leader-election.ts'

/** One lease with optimistic concurrency, which can be made unreachable. */
function leaseOnly() {
  let lease: Lease | undefined
  let version = 0
  const events: CoreEvent[] = []
  const state = {
    down: false,
    /** Requests are taken, and answered after that. */
    until: undefined as Promise<void> | undefined,
    requests: 0,
    events,
    get: () => lease,
    label: () => put({ ...lease!, metadata: { ...lease!.metadata, labels: { touched: String(version) } } }),
  }
  const put = (next: Lease) => (lease = { ...next, metadata: { ...next.metadata, resourceVersion: String(++version) } })
  const guard = () => {
    state.requests++
    if (state.until) return state.until
    if (state.down) throw new StatusError('ServiceUnavailable', 'down')
  }
  const client = {
    async get() {
      await guard()
      if (!lease) throw notFoundError(Lease, 'x')
      return lease
    },
    async create(_: unknown, next: Lease) {
      if (next.kind === 'Event') return (events.push(next as unknown as CoreEvent), next)
      await guard()
      if (lease) throw alreadyExistsError(Lease, 'x')
      return put(next)
    },
    async update(_: unknown, next: Lease) {
      await guard()
      if (next.metadata?.resourceVersion !== lease?.metadata?.resourceVersion) throw conflictError(Lease, 'x')
      return put(next)
    },
  } as unknown as Client
  return { client, state }
}

function setUp() {
  const clock = createVirtualClock()
  const { client, state } = leaseOnly()
  const options = (identity: string) => ({
    client,
    clock,
    random: seededRandom(identity.length),
    log: silentLogger,
    lease: { namespace: 'kube-system', name: 'test' },
    identity,
  })
  return { clock, state, options, signal: new AbortController().signal }
}

test('becomeLeader gives one of two the lease, and the other one when it is given back', async () => {
  const { clock, state, options, signal } = setUp()
  const first = await becomeLeader(options('a'), signal)
  let led = false
  const second = becomeLeader(options('bb'), signal).then((leadership) => ((led = true), leadership))
  await clock.advance(60_000)
  assert.equal(led, false)
  assert.equal(state.get()?.spec?.holderIdentity, 'a')
  await first[Symbol.asyncDispose]()
  await clock.advance(5_000)
  assert.equal(led, true)
  assert.deepEqual([state.get()?.spec?.holderIdentity, state.get()?.spec?.leaseTransitions], ['bb', 1])
  await (await second)[Symbol.asyncDispose]()
})

test('becomeLeader takes over a lease that was not renewed for its duration', async () => {
  const { clock, state, options, signal } = setUp()
  const first = await becomeLeader(options('a'), signal)
  state.down = true
  await clock.advance(12_000)
  assert.equal(first.lost.aborted, true)
  state.down = false
  let led = false
  const second = becomeLeader(options('bb'), signal).then((leadership) => ((led = true), leadership))
  await clock.advance(10_000)
  assert.equal(led, false)
  await clock.advance(10_000)
  assert.equal(led, true)
  await (await second)[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
})

test('becomeLeader gives up a lease that a server neither renews nor refuses', async () => {
  const { clock, state, options, signal } = setUp()
  await using leadership = await becomeLeader(options('a'), signal)
  state.until = new Promise(() => {})
  await clock.advance(10_000)
  assert.equal(leadership.lost.aborted, true)
})

test('becomeLeader asks for nothing any more after a pause in which others may have taken over', async () => {
  const { clock, state, options, signal } = setUp()
  let pausedMs = 0
  const paused = { ...clock, monotonic: () => clock.monotonic() + pausedMs }
  await using leadership = await becomeLeader({ ...options('a'), clock: paused }, signal)
  await clock.advance(5000)
  assert.equal(leadership.lost.aborted, false)
  pausedMs = 10_000
  const { requests } = state
  await clock.advance(2000)
  assert.equal(leadership.lost.aborted, true)
  assert.equal(state.requests, requests)
})

test('becomeLeader takes over a lease that others touch and nobody renews', async () => {
  const { clock, state, options, signal } = setUp()
  await using _dead = await becomeLeader(options('a'), signal)
  state.down = true
  await clock.advance(12_000)
  state.down = false
  const second = becomeLeader(options('bb'), signal)
  for (let seconds = 0; seconds < 24; seconds += 3) {
    await clock.advance(3000)
    if (state.get()?.spec?.holderIdentity !== 'bb') state.label()
  }
  assert.equal(state.get()?.spec?.holderIdentity, 'bb')
  await (await second)[Symbol.asyncDispose]()
})

test('becomeLeader tells of itself in events of the lease', async () => {
  const { clock, state, options, signal } = setUp()
  await using _leadership = await becomeLeader({ ...options('a'), component: 'tester' }, signal)
  await clock.advance(1000)
  state.down = true
  await clock.advance(12_000)
  assert.deepEqual(
    state.events.map(({ type, reason, message, source, involvedObject, metadata }) => [
      `${type} ${reason}: ${message}`,
      source?.component,
      `${involvedObject.apiVersion} ${involvedObject.kind} ${involvedObject.name}`,
      metadata?.namespace,
    ]),
    ['a became leader', 'a stopped leading'].map((text) => [
      `Normal LeaderElection: ${text}`,
      'tester',
      'coordination.k8s.io/v1 Lease test',
      'kube-system',
    ]),
  )
})

test('becomeLeader does not lead by an answer that comes when another may lead', async () => {
  const { clock, state, options, signal } = setUp()
  const answers = Promise.withResolvers<void>()
  state.until = answers.promise
  let led = 0
  const leading = becomeLeader(options('a'), signal).then((leadership) => ((led = clock.monotonic()), leadership))
  await clock.advance(30_000)
  state.until = undefined
  answers.resolve()
  await clock.advance(1000)
  assert.deepEqual([state.get()?.spec?.holderIdentity, led], ['a', 0])
  // It holds the lease: asked for once more, it leads.
  await clock.advance(5000)
  await using leadership = await leading
  assert.ok(led > 30_000)
  assert.equal(leadership.lost.aborted, false)
})
