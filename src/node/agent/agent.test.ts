import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ContainerStatus, Pod as ApiPod } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { startTestNode, type TestNodeOptions } from '#node/testing.ts'
import { startTestServer } from '#server/testing.ts'

const start = (options: Omit<TestNodeOptions, 'connect'> = {}) =>
  startTestNode({ connect: (clock) => startTestServer({ clock }), ...options })

const phase = (name: string) => (pod: ApiPod) => pod.status?.phase === name
const condition = (pod: ApiPod, type: string) => pod.status?.conditions?.find((one) => one.type === type)
const main = (pod: ApiPod): ContainerStatus | undefined => pod.status?.containerStatuses?.[0]
const waiting = (reason: string) => (pod: ApiPod) => main(pod)?.state?.waiting?.reason === reason

test('agent runs a pod and reports it Ready', async () => {
  await using node = await start()
  await node.create('web', { containers: [{ name: 'main', image: 'app:1', ports: [{ containerPort: 80 }] }] })
  const pod = await node.pod('web', (one) => condition(one, 'Ready')?.status === 'True')
  assert.equal(pod.status?.phase, 'Running')
  assert.equal(pod.status?.podIP, '10.244.0.2')
  assert.deepEqual(pod.status?.podIPs, [{ ip: '10.244.0.2' }])
  assert.equal(pod.status?.hostIP, '192.0.2.1')
  assert.equal(pod.status?.qosClass, 'BestEffort')
  assert.ok(pod.status?.startTime)
  assert.deepEqual(pod.status?.conditions?.map(({ type, status }) => `${type}=${status}`).sort(), [
    'ContainersReady=True',
    'Initialized=True',
    'PodReadyToStartContainers=True',
    'PodScheduled=True',
    'Ready=True',
  ])
  const status = main(pod)!
  assert.match(status.containerID!, /^containerd:\/\/container-/)
  assert.equal(status.started, true)
  assert.equal(status.restartCount, 0)
  assert.ok(status.state?.running?.startedAt)
  const events = await node.until(async () => {
    const found = await node.events('web')
    return found.length >= 4 && found.sort((a, b) => Number(a.metadata?.resourceVersion) - Number(b.metadata?.resourceVersion))
  })
  assert.deepEqual(
    events.map(({ reason, message }) => `${reason}: ${message!.replace(/in \d+m?s \(\d+m?s including/, 'in T (T including')}`),
    [
      'Pulling: Pulling image "app:1"',
      'Pulled: Successfully pulled image "app:1" in T (T including waiting). Image size: 1024 bytes.',
      'Created: Container created',
      'Started: Container started',
    ],
  )
  assert.deepEqual([...new Set(events.map(({ involvedObject }) => involvedObject.fieldPath))], ['spec.containers{main}'])
  assert.equal(events[0]?.source?.component, 'kubelet')
  assert.equal(events[0]?.source?.host, 'node-1')
})

const endings: [policy: string, exitCode: number, phase: string, restarts: boolean][] = [
  ['Never', 0, 'Succeeded', false],
  ['Never', 3, 'Failed', false],
  ['OnFailure', 0, 'Succeeded', false],
  ['OnFailure', 3, 'Running', true],
  ['Always', 0, 'Running', true],
  ['Always', 3, 'Running', true],
]
for (const [policy, exitCode, expected, restarts] of endings) {
  test(`agent with restartPolicy ${policy} after exit code ${exitCode}: ${expected}`, async () => {
    await using node = await start({ runtime: { behaviour: ({ attempt }) => (attempt === 0 ? { exitAfterMs: 5000, exitCode } : {}) } })
    await node.create('job', { restartPolicy: policy })
    await node.pod('job', phase('Running'))
    await node.clock.advance(5000)
    if (restarts) {
      const pod = await node.pod('job', (one) => main(one)?.restartCount === 1 && main(one)?.state?.running)
      assert.equal(pod.status?.phase, expected)
      assert.equal(main(pod)?.lastState?.terminated?.exitCode, exitCode)
    } else {
      const pod = await node.pod('job', phase(expected))
      assert.equal(main(pod)?.state?.terminated?.exitCode, exitCode)
      assert.equal(main(pod)?.state?.terminated?.reason, exitCode === 0 ? 'Completed' : 'Error')
      assert.equal(main(pod)?.restartCount, 0)
      assert.equal(condition(pod, 'Ready')?.reason, exitCode === 0 ? 'PodCompleted' : 'PodFailed')
    }
  })
}

test('agent backs off from a container that keeps failing', async () => {
  await using node = await start({ runtime: { behaviour: () => ({ exitAfterMs: 1000, exitCode: 1 }) } })
  await node.create('crash', {})
  await node.pod('crash', (one) => main(one)?.state?.running)
  await node.clock.advance(1000)
  await node.pod('crash', (one) => main(one)?.restartCount === 1 && main(one)?.state?.running)
  await node.clock.advance(1000)
  const pod = await node.pod('crash', waiting('CrashLoopBackOff'))
  assert.equal(main(pod)?.state?.waiting?.message, `back-off 10s restarting failed container=main pod=crash_default(${pod.metadata?.uid})`)
  assert.equal(main(pod)?.lastState?.terminated?.exitCode, 1)
  assert.equal(pod.status?.phase, 'Running')
  await node.clock.advance(9000)
  assert.equal(main((await node.get('crash'))!)?.restartCount, 1)
  await node.clock.advance(1000)
  await node.pod('crash', (one) => main(one)?.restartCount === 2 && main(one)?.state?.running)
  await node.clock.advance(1000)
  const longer = await node.pod('crash', (one) => /back-off 20s/.test(main(one)?.state?.waiting?.message ?? ''))
  assert.equal(main(longer)?.restartCount, 2)
  const events = await node.until(async () => {
    const found = (await node.events('crash')).filter(({ reason }) => reason === 'BackOff')
    return found.length > 0 && found
  })
  assert.equal(events[0]?.message, `Back-off restarting failed container main in pod crash_default(${pod.metadata?.uid})`)
})

test('agent runs init containers in order, then sidecars beside the main container', async () => {
  await using node = await start({
    runtime: { behaviour: ({ name }) => (name.startsWith('init') ? { exitAfterMs: 1000 } : name === 'main' ? { exitAfterMs: 5000 } : {}) },
  })
  await node.create('stack', {
    restartPolicy: 'Never',
    initContainers: [
      { name: 'init-a', image: 'app' },
      { name: 'proxy', image: 'app', restartPolicy: 'Always' },
      { name: 'init-b', image: 'app' },
    ],
  })
  const first = await node.pod('stack', (one) => one.status?.initContainerStatuses?.[0]?.state?.running)
  assert.equal(main(first)?.state?.waiting?.reason, 'PodInitializing')
  assert.equal(condition(first, 'Initialized')?.message, 'containers with incomplete status: [init-a proxy init-b]')
  await node.clock.advance(1000)
  const second = await node.pod('stack', (one) => one.status?.initContainerStatuses?.[2]?.state?.running)
  assert.equal(second.status?.initContainerStatuses?.[0]?.state?.terminated?.reason, 'Completed')
  assert.ok(second.status?.initContainerStatuses?.[1]?.state?.running)
  assert.equal(second.status?.phase, 'Pending')
  await node.clock.advance(1000)
  await node.pod('stack', (one) => condition(one, 'Ready')?.status === 'True')
  await node.clock.advance(5000)
  const done = await node.pod('stack', phase('Succeeded'))
  assert.ok(done.status?.initContainerStatuses?.[1]?.state?.terminated)
  const starts = node.runtime.calls.filter((call) => call.startsWith('startContainer')).map((call) => call.split(' ')[1])
  assert.deepEqual(starts, ['init-a', 'proxy', 'init-b', 'main'])
})

test('agent fails a pod whose init container fails and that never restarts', async () => {
  await using node = await start({ runtime: { behaviour: ({ name }) => (name === 'setup' ? { exitAfterMs: 100, exitCode: 2 } : {}) } })
  await node.create('broken', { restartPolicy: 'Never', initContainers: [{ name: 'setup', image: 'app' }] })
  await node.pod('broken', (one) => one.status?.initContainerStatuses?.[0]?.state?.running)
  await node.clock.advance(100)
  const pod = await node.pod('broken', phase('Failed'))
  assert.equal(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 2)
  assert.ok(!node.runtime.calls.includes('startContainer main'))
})

test('agent ends a deleted pod with its grace and then deletes it from the API', async () => {
  await using node = await start({ runtime: { behaviour: () => ({ stopMs: 4000 }) } })
  await node.create('web', { terminationGracePeriodSeconds: 10 })
  await node.pod('web', phase('Running'))
  await node.client.delete(Pod, { namespace: 'default', name: 'web' })
  await node.until(async () => node.runtime.calls.includes('stopContainer main 10'))
  await node.clock.advance(3000)
  assert.ok(await node.get('web'))
  await node.clock.advance(1000)
  await node.until(async () => (await node.get('web')) === undefined)
  assert.deepEqual(await node.runtime.listContainers(), [])
  assert.deepEqual(await node.runtime.listSandboxes(), [])
  const killing = await node.until(async () => (await node.events('web')).find(({ reason }) => reason === 'Killing'))
  assert.equal(killing.message, 'Stopping container main')
})

test('agent lets a shorter grace overtake a longer one', async () => {
  await using node = await start({ runtime: { behaviour: () => ({ stopMs: 600_000 }) } })
  await node.create('slow', { terminationGracePeriodSeconds: 300 })
  await node.pod('slow', phase('Running'))
  await node.client.delete(Pod, { namespace: 'default', name: 'slow' })
  await node.until(async () => node.runtime.calls.includes('stopContainer main 300'))
  await node.client.delete(Pod, { namespace: 'default', name: 'slow' }, { gracePeriodSeconds: 5 })
  await node.until(async () => node.runtime.calls.includes('stopContainer main 5'))
  await node.clock.advance(5000)
  await node.until(async () => (await node.get('slow')) === undefined)
})

test('agent takes down what a pod deleted by force left running', async () => {
  await using node = await start()
  await node.create('web', {})
  await node.pod('web', phase('Running'))
  await node.client.delete(Pod, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 0 })
  await node.until(async () => (await node.runtime.listSandboxes()).length === 0)
})

test('agent adopts running containers after a restart and keeps restart counts', async () => {
  await using node = await start({ runtime: { behaviour: ({ attempt }) => (attempt === 0 ? { exitAfterMs: 1000, exitCode: 1 } : {}) } })
  await node.create('web', {})
  await node.pod('web', phase('Running'))
  await node.clock.advance(1000)
  const before = await node.pod('web', (one) => main(one)?.restartCount === 1 && main(one)?.state?.running)
  const calls = node.runtime.calls.length
  await node.restart()
  await node.create('marker', {})
  await node.pod('marker', phase('Running'))
  const after = (await node.get('web'))!
  assert.deepEqual(main(after), main(before))
  assert.deepEqual(
    node.runtime.calls.slice(calls).filter((call) => !call.endsWith(' marker') && !/pullImage|Container main$/.test(call)),
    [],
  )
  assert.equal((await node.runtime.listContainers()).filter(({ state }) => state === 'running').length, 2)
})

test('agent ends what belongs to a pod deleted while it was away', async () => {
  await using node = await start()
  const pod = await node.create('web', {})
  await node.pod('web', phase('Running'))
  const running = node.restart
  await node.client.delete(
    Pod,
    { namespace: 'default', name: 'web' },
    { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata!.uid! } },
  )
  await running()
  await node.until(async () => (await node.runtime.listSandboxes()).length === 0)
})

test('agent stops a sandbox again that was only stopped by halves', async () => {
  await using node = await start({ runtime: { behaviour: () => ({ exitAfterMs: 1000 }) } })
  await node.create('web', { restartPolicy: 'Never' })
  await node.pod('web', phase('Running'))
  let [whole, restarted] = [0, false]
  const stop = node.runtime.stopPodSandbox.bind(node.runtime)
  node.runtime.stopPodSandbox = async (id) => {
    const halves = !restarted
    await stop(id)
    if (halves) throw new Error('the network is still there')
    whole++
  }
  await node.clock.advance(1000)
  await node.until(async () => (await node.runtime.listSandboxes()).every(({ ready }) => !ready))
  restarted = true
  await node.restart()
  await node.pod('web', phase('Succeeded'))
  // The phase is told once the containers have ended; the sandbox is stopped after that.
  await node.until(async () => whole > 0)
  assert.equal(whole, 1)
})

test('agent clears away what pods deleted while it was away left on disk', async () => {
  await using node = await start()
  const uid = '4b0bd4cd-0000-4000-8000-000000000000'
  const traces = [join(node.directory, 'logs', `default_web_${uid}`), join(node.directory, 'pods', uid)]
  for (const trace of traces) await mkdir(trace, { recursive: true })
  await node.restart()
  await node.until(async () => !traces.some((trace) => existsSync(trace)))
})

test('node sets a log of 10 MiB aside', async () => {
  await using node = await start()
  const pod = await node.create('web', {})
  await node.pod('web', phase('Running'))
  const directory = join(node.directory, 'logs', `default_web_${pod.metadata!.uid}`, 'main')
  await writeFile(join(directory, '0.log'), Buffer.alloc(10 * 1024 * 1024))
  await node.clock.advance(10_000)
  await node.until(async () => node.runtime.calls.includes('reopenContainerLog main'))
  assert.match((await readdir(directory)).join(), /^0\.log\.\d{8}-\d{6}$/)
})

test('agent replaces a sandbox that died', async () => {
  await using node = await start()
  await node.create('web', {})
  await node.pod('web', phase('Running'))
  const [sandbox] = await node.runtime.listSandboxes()
  await node.runtime.stopPodSandbox(sandbox!.id)
  const pod = await node.pod(
    'web',
    (one) => main(one)?.restartCount === 1 && main(one)?.state?.running && one.status?.podIP === '10.244.0.3',
  )
  assert.equal(pod.status?.phase, 'Running')
  const changed = await node.until(async () => (await node.events('web')).find(({ reason }) => reason === 'SandboxChanged'))
  assert.equal(changed.message, 'Pod sandbox changed, it will be killed and re-created.')
})

test('agent restarts a container whose image was changed in place', async () => {
  await using node = await start()
  await node.create('web', {})
  await node.pod('web', phase('Running'))
  const patch = [{ op: 'replace', path: '/spec/containers/0/image', value: 'app:2' }]
  await node.client.patch(Pod, { namespace: 'default', name: 'web' }, { type: 'json', patch })
  const pod = await node.pod('web', (one) => main(one)?.restartCount === 1 && main(one)?.state?.running)
  assert.equal(main(pod)?.image, 'app:2')
  const killing = await node.until(async () => (await node.events('web')).find(({ reason }) => reason === 'Killing'))
  assert.equal(killing.message, 'Container main definition changed, will be restarted')
})

test('agent puts its status right when someone else changes it', async () => {
  await using node = await start()
  await node.create('web', {})
  await node.pod('web', phase('Running'))
  const patch = { status: { podIP: '192.0.2.99', hostIP: '192.0.2.98', hostIPs: [{ ip: '192.0.2.98' }] } }
  await node.client.patch(Pod, { namespace: 'default', name: 'web' }, { type: 'merge', patch }, { subresource: 'status' })
  await node.pod('web', (one) => one.status?.hostIP === '192.0.2.1' && one.status.podIP === '10.244.0.2')
})

test('agent ends a pod at its deadline', async () => {
  await using node = await start()
  await node.create('timed', { activeDeadlineSeconds: 30, restartPolicy: 'Never' })
  await node.pod('timed', phase('Running'))
  await node.clock.advance(29_000)
  assert.equal((await node.client.get(Pod, { namespace: 'default', name: 'timed' })).status?.phase, 'Running')
  // The agent may still be at work on the start when time moves: what it then finds overdue is due at the next move.
  await node.until(async () => {
    await node.clock.advance(1000)
    return (await node.client.get(Pod, { namespace: 'default', name: 'timed' })).status?.phase === 'Failed'
  })
  const pod = await node.pod('timed', phase('Failed'))
  assert.equal(pod.status?.reason, 'DeadlineExceeded')
  assert.equal(pod.status?.message, 'Pod was active on the node longer than the specified deadline')
  await node.pod('timed', (one) => main(one)?.state?.terminated)
})

test('agent starts an ephemeral container in a running pod', async () => {
  await using node = await start()
  await node.create('web', {})
  const pod = await node.pod('web', phase('Running'))
  const spec = { ...pod.spec!, ephemeralContainers: [{ name: 'debug', image: 'tools', targetContainerName: 'main' }] }
  await node.client.update(Pod, { ...pod, spec }, { subresource: 'ephemeralcontainers' })
  const debugged = await node.pod('web', (one) => one.status?.ephemeralContainerStatuses?.[0]?.state?.running)
  assert.equal(main(debugged)?.restartCount, 0)
})

test('agent shows both sides of a failing probe', async () => {
  const outcome = { result: 'success' as 'success' | 'failure', output: 'HTTP probe failed with statuscode: 500' }
  await using node = await start({ node: { probe: async () => outcome } })
  const probe = { httpGet: { port: 80 }, periodSeconds: 5, failureThreshold: 2 }
  await node.create('web', {
    containers: [{ name: 'main', image: 'app', readinessProbe: probe, livenessProbe: { ...probe, failureThreshold: 4 } }],
  })
  await node.pod('web', phase('Running'))
  await node.clock.advance(10_000)
  await node.pod('web', (one) => condition(one, 'Ready')?.status === 'True')
  outcome.result = 'failure'
  await node.clock.advance(10_000)
  const unready = await node.pod('web', (one) => condition(one, 'Ready')?.status === 'False')
  assert.equal(condition(unready, 'Ready')?.message, 'containers with unready status: [main]')
  assert.equal(condition(unready, 'Ready')?.reason, 'ContainersNotReady')
  await node.clock.advance(10_000)
  const restarted = await node.pod('web', (one) => main(one)?.restartCount === 1)
  assert.equal(main(restarted)?.lastState?.terminated?.exitCode, 143)
  const events = await node.until(async () => {
    const found = await node.events('web')
    return found.some(({ reason }) => reason === 'Killing') && found
  })
  assert.ok(events.some(({ message }) => message === 'Readiness probe failed: HTTP probe failed with statuscode: 500'))
  assert.ok(events.some(({ message }) => message === 'Container main failed liveness probe, will be restarted'))
})
