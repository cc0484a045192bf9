import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lease } from '#api/kinds/coordination/lease.ts'
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
  const state = { down: false, get: () => lease }
  const put = (next: Lease) => (lease = { ...next, metadata: { ...next.metadata, resourceVersion: String(++version) } })
  const guard = () => {
    if (state.down) throw new StatusError('ServiceUnavailable', 'down')
  }
  const client = {
    async get() {
      guard()
      if (!lease) throw notFoundError(Lease, 'x')
      return lease
    },
    async create(_: unknown, next: Lease) {
      guard()
      if (lease) throw alreadyExistsError(Lease, 'x')
      return put(next)
    },
    async update(_: unknown, next: Lease) {
      guard()
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
