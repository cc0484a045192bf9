import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerState, ContainerStatus, Pod } from '#api/generated/types.ts'
import { type Phase, phaseOf } from './phase.ts'

const running: ContainerState = { running: { startedAt: '2026-01-01T00:00:00Z' } }
const waiting: ContainerState = { waiting: { reason: 'ContainerCreating' } }
const ended = (exitCode: number): ContainerState => ({ terminated: { exitCode } })

type Row = {
  name: string
  policy: string
  init?: ContainerState[]
  sidecar?: ContainerState
  main: ContainerState[]
  terminal?: boolean
  phase: Phase
}

const rows: Row[] = [
  { name: 'nothing has started', policy: 'Always', main: [waiting], phase: 'Pending' },
  { name: 'all run', policy: 'Always', main: [running, running], phase: 'Running' },
  { name: 'one still waits', policy: 'Always', main: [running, waiting], phase: 'Pending' },
  { name: 'Always restarts what succeeded', policy: 'Always', main: [ended(0)], phase: 'Running' },
  { name: 'OnFailure is over when all succeeded', policy: 'OnFailure', main: [ended(0), ended(0)], phase: 'Succeeded' },
  { name: 'OnFailure restarts what failed', policy: 'OnFailure', main: [ended(0), ended(1)], phase: 'Running' },
  { name: 'Never fails with one failure', policy: 'Never', main: [ended(0), ended(1)], phase: 'Failed' },
  { name: 'Never with one still running', policy: 'Never', main: [ended(1), running], phase: 'Running' },
  { name: 'an init container runs', policy: 'Always', init: [running], main: [waiting], phase: 'Pending' },
  { name: 'a failed init container fails a pod that never restarts', policy: 'Never', init: [ended(1)], main: [waiting], phase: 'Failed' },
  { name: 'a failed init container is tried again', policy: 'Always', init: [ended(1)], main: [waiting], phase: 'Pending' },
  { name: 'a sidecar does not keep a finished pod pending', policy: 'Never', sidecar: ended(0), main: [ended(0)], phase: 'Succeeded' },
  { name: 'a running sidecar keeps the pod running', policy: 'Never', sidecar: running, main: [ended(0)], phase: 'Running' },
  { name: 'ended for good with a success', policy: 'Always', main: [ended(0)], terminal: true, phase: 'Succeeded' },
  { name: 'ended for good with a failure', policy: 'Always', main: [ended(137)], terminal: true, phase: 'Failed' },
]

for (const row of rows) {
  test(`phaseOf ${row.name}`, () => {
    const inits = [
      ...(row.init ?? []).map((_, i) => ({ name: `init${i}` })),
      ...(row.sidecar ? [{ name: 'sidecar', restartPolicy: 'Always' }] : []),
    ]
    const pod: Pod = {
      spec: { restartPolicy: row.policy, initContainers: inits, containers: row.main.map((_, i) => ({ name: `main${i}` })) },
    }
    const status = (name: string, state: ContainerState): ContainerStatus => ({
      name,
      state,
      ready: false,
      restartCount: 0,
      image: '',
      imageID: '',
      started: state.running !== undefined,
    })
    const initContainerStatuses = [
      ...(row.init ?? []).map((state, i) => status(`init${i}`, state)),
      ...(row.sidecar ? [status('sidecar', row.sidecar)] : []),
    ]
    const containerStatuses = row.main.map((state, i) => status(`main${i}`, state))
    assert.equal(phaseOf(pod, { initContainerStatuses, containerStatuses }, { terminal: row.terminal ?? false }), row.phase)
  })
}
