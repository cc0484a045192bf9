import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import type { Container, ContainerState, Sandbox } from '#node/runtime.ts'
import { computeActions, type Verdicts } from './actions.ts'
import { ANNOTATION, containerHash, LABEL } from './identity.ts'

const sandbox: Sandbox = {
  id: 's1',
  namespace: 'default',
  name: 'web',
  uid: 'u1',
  attempt: 0,
  ready: true,
  createdAt: 1,
  ips: ['10.244.0.2'],
  hostNetwork: false,
  labels: {},
  annotations: {},
}

function container(
  name: string,
  state: ContainerState,
  options: { exitCode?: number; image?: string; sandboxId?: string } = {},
): Container {
  return {
    id: `${name}-id`,
    sandboxId: options.sandboxId ?? 's1',
    name,
    attempt: 0,
    state,
    image: 'app',
    imageRef: 'app',
    createdAt: 2,
    startedAt: 2,
    finishedAt: 0,
    exitCode: options.exitCode ?? 0,
    reason: '',
    message: '',
    labels: { [LABEL.container]: name },
    annotations: { [ANNOTATION.hash]: containerHash({ name, image: options.image ?? 'app' }) },
    logPath: '',
  }
}

const silent: Verdicts = { liveness: () => undefined, startup: () => undefined }

function pod(spec: Partial<NonNullable<Pod['spec']>>): Pod {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'u1' },
    spec: { containers: [{ name: 'main', image: 'app' }], restartPolicy: 'Always', ...spec },
  }
}
const inits = {
  initContainers: [
    { name: 'first', image: 'app' },
    { name: 'second', image: 'app' },
  ],
}
const sidecar = {
  initContainers: [
    { name: 'proxy', image: 'app', restartPolicy: 'Always' },
    { name: 'second', image: 'app' },
  ],
}

interface Row {
  name: string
  pod: Pod
  sandboxes?: Sandbox[]
  containers?: Container[]
  verdicts?: Verdicts
  expect: { killPod?: boolean; createSandbox?: boolean; start?: string[]; kill?: string[]; attempt?: number }
}

const rows: Row[] = [
  {
    name: 'makes a sandbox and starts everything',
    pod: pod({}),
    sandboxes: [],
    expect: { killPod: true, createSandbox: true, start: ['main'] },
  },
  {
    name: 'starts the first init container alone',
    pod: pod(inits),
    sandboxes: [],
    expect: { killPod: true, createSandbox: true, start: ['first'] },
  },
  { name: 'leaves what runs alone', pod: pod({}), containers: [container('main', 'running')], expect: {} },
  {
    name: 'replaces a sandbox that is not ready',
    pod: pod({}),
    sandboxes: [{ ...sandbox, ready: false }],
    containers: [container('main', 'exited')],
    expect: { killPod: true, createSandbox: true, start: ['main'], attempt: 1 },
  },
  {
    name: 'does not bring back a pod that never restarts',
    pod: pod({ restartPolicy: 'Never' }),
    sandboxes: [{ ...sandbox, ready: false }],
    containers: [container('main', 'exited', { exitCode: 1 })],
    expect: { killPod: true, attempt: 1 },
  },
  { name: 'starts the next init container', pod: pod(inits), containers: [container('first', 'exited')], expect: { start: ['second'] } },
  { name: 'waits for an init container', pod: pod(inits), containers: [container('first', 'running')], expect: {} },
  {
    name: 'tries a failed init container again',
    pod: pod(inits),
    containers: [container('first', 'exited', { exitCode: 1 })],
    expect: { start: ['first'] },
  },
  {
    name: 'gives up on a failed init container',
    pod: pod({ ...inits, restartPolicy: 'Never' }),
    containers: [container('first', 'exited', { exitCode: 1 })],
    expect: { killPod: true },
  },
  {
    name: 'starts the main containers after the last init container',
    pod: pod(inits),
    containers: [container('first', 'exited'), container('second', 'exited')],
    expect: { start: ['main'] },
  },
  {
    name: 'goes on once a sidecar has started',
    pod: pod(sidecar),
    containers: [container('proxy', 'running')],
    expect: { start: ['second'] },
  },
  {
    name: 'brings back a sidecar beside running containers',
    pod: pod(sidecar),
    containers: [container('proxy', 'exited'), container('second', 'exited'), container('main', 'running')],
    expect: { start: ['proxy'] },
  },
  {
    name: 'ends sidecars with the last main container',
    pod: pod({ ...sidecar, restartPolicy: 'Never' }),
    containers: [container('proxy', 'running'), container('second', 'exited'), container('main', 'exited')],
    expect: { killPod: true },
  },
  {
    name: 'restarts a container whose image changed',
    pod: pod({ containers: [{ name: 'main', image: 'app:2' }] }),
    containers: [container('main', 'running')],
    expect: { start: ['main'], kill: ['Container main definition changed, will be restarted'] },
  },
  {
    name: 'restarts what fails its liveness probe',
    pod: pod({}),
    containers: [container('main', 'running')],
    verdicts: { ...silent, liveness: () => 'failure' },
    expect: { start: ['main'], kill: ['Container main failed liveness probe, will be restarted'] },
  },
  {
    name: 'restarts for a resize whose policy asks for it',
    pod: pod({
      containers: [
        {
          name: 'main',
          image: 'app',
          resources: { limits: { memory: '2Mi' } },
          resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }],
        },
      ],
    }),
    containers: [{ ...container('main', 'running'), annotations: { [ANNOTATION.resources]: '{"limits":{"memory":"1Mi"}}' } }],
    expect: { start: ['main'], kill: ['Container main resize requires restart, will be restarted'] },
  },
  {
    name: 'only kills what fails its startup probe and never restarts',
    pod: pod({ restartPolicy: 'Never' }),
    containers: [container('main', 'running')],
    verdicts: { ...silent, startup: () => 'failure' },
    expect: { killPod: true, kill: ['Container main failed startup probe'] },
  },
  {
    name: 'starts an ephemeral container once',
    pod: pod({ ephemeralContainers: [{ name: 'debug', image: 'app' }] }),
    containers: [container('main', 'running')],
    expect: { start: ['debug'] },
  },
  {
    name: 'leaves an ephemeral container that has ended',
    pod: pod({ ephemeralContainers: [{ name: 'debug', image: 'app' }] }),
    containers: [container('main', 'running'), container('debug', 'exited', { exitCode: 1 })],
    expect: {},
  },
]

for (const row of rows) {
  test(`computeActions ${row.name}`, () => {
    const actions = computeActions(
      row.pod,
      { sandboxes: row.sandboxes ?? [sandbox], containers: row.containers ?? [] },
      row.verdicts ?? silent,
    )
    assert.deepEqual(
      {
        killPod: actions.killPod,
        createSandbox: actions.createSandbox,
        start: actions.start.map(({ spec }) => spec.name),
        kill: actions.kill.map(({ message }) => message),
        attempt: actions.attempt,
      },
      { killPod: false, createSandbox: false, start: [], kill: [], attempt: 0, ...row.expect },
    )
  })
}
