import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container as ContainerSpec, Pod, PodStatus } from '#api/generated/types.ts'
import { seededRandom } from '#lib/random.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import type { Container } from '#node/runtime.ts'
import type { Outcome } from './outcome.ts'
import { Prober } from './prober.ts'

const success: Outcome = { result: 'success', output: '' }
const failure: Outcome = { result: 'failure', output: 'HTTP probe failed with statuscode: 500' }

async function stage(spec: Partial<ContainerSpec>, status: PodStatus = {}) {
  const clock = createVirtualClock()
  const state = { outcome: success as Outcome, attempts: 0, changes: 0, events: [] as string[], id: 'c1', running: true }
  const pod: Pod = { metadata: { uid: 'u1', name: 'web' }, spec: { containers: [{ name: 'app', ...spec }] }, status }
  const container = () => ({ id: state.id, state: state.running ? 'running' : 'exited', startedAt: clock.now() - 1 }) as Container
  const prober = new Prober({
    runtime: { execSync: async () => ({ exitCode: 0, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }) },
    clock,
    random: seededRandom(1),
    find: () => ({ pod, container: container(), podIp: '10.244.0.2' }),
    changed: () => state.changes++,
    unhealthy: (_pod, _spec, message) => state.events.push(message),
    attempt: async () => {
      state.attempts++
      return state.outcome
    },
  })
  // Past the first moments, in which first probes are spread.
  await clock.advance(11_000)
  prober.add(pod)
  const result = (kind: 'startup' | 'liveness' | 'readiness') => prober.result(kind, 'u1', 'app', state.id)
  return { clock, state, prober, result }
}

const probe = { httpGet: { port: 80 }, periodSeconds: 10, failureThreshold: 3, successThreshold: 1 }

test('Prober readiness begins as failure and follows the thresholds', async () => {
  const { clock, state, result } = await stage({ readinessProbe: { ...probe, successThreshold: 2 } })
  await clock.advance(0)
  assert.equal(result('readiness'), 'failure')
  await clock.advance(10_000)
  assert.equal(result('readiness'), 'success')
  state.outcome = failure
  await clock.advance(20_000)
  assert.equal(result('readiness'), 'success')
  await clock.advance(10_000)
  assert.equal(result('readiness'), 'failure')
  assert.equal(state.events[0], 'Readiness probe failed: HTTP probe failed with statuscode: 500')
})

test('Prober liveness begins as success and stops asking once failed', async () => {
  const { clock, state, result } = await stage({ livenessProbe: probe })
  state.outcome = failure
  await clock.advance(20_000)
  assert.equal(result('liveness'), 'failure')
  const before = state.attempts
  await clock.advance(60_000)
  assert.equal(state.attempts, before)
  state.id = 'c2'
  state.outcome = success
  await clock.advance(10_000)
  assert.equal(result('liveness'), 'success')
})

test('Prober startup holds the others back until it succeeds', async () => {
  const { clock, state, result } = await stage({ startupProbe: { ...probe, failureThreshold: 30 }, readinessProbe: probe })
  state.outcome = failure
  await clock.advance(40_000)
  assert.equal(result('startup'), 'unknown')
  assert.equal(result('readiness'), 'failure')
  assert.ok(state.events.every((text) => text.startsWith('Startup probe failed')))
  state.outcome = success
  await clock.advance(10_000)
  assert.equal(result('startup'), 'success')
  assert.equal(result('readiness'), 'success')
})

test('Prober keeps its verdict through a probe that cannot be carried out, after three tries', async () => {
  const { clock, state, result } = await stage({ livenessProbe: probe })
  state.outcome = { result: 'error', output: 'no such container' }
  await clock.advance(10_000)
  assert.equal(result('liveness'), 'success')
  assert.equal(state.attempts % 3, 0)
  assert.match(state.events[0]!, /^Liveness probe errored and resulted in unknown state: no such container/)
})

test('Prober keeps what the API knows of a container that ran before', async () => {
  const status = {
    name: 'app',
    image: '',
    imageID: '',
    restartCount: 0,
    containerID: 'containerd://c1',
    state: { running: {} },
    started: true,
    ready: true,
  }
  const { clock, state, result } = await stage({ readinessProbe: probe }, { containerStatuses: [status] })
  assert.equal(result('readiness'), 'success')
  state.outcome = failure
  await clock.advance(10_000)
  assert.equal(result('readiness'), 'success')
  await clock.advance(10_000)
  assert.equal(result('readiness'), 'failure')
})

test('Prober asks nothing more of a pod that is removed', async () => {
  const { clock, state, prober } = await stage({ livenessProbe: probe })
  await clock.advance(10_000)
  prober.remove('u1')
  const before = state.attempts
  await clock.advance(60_000)
  assert.equal(state.attempts, before)
})
