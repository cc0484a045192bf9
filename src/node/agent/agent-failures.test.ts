import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ContainerStatus, Pod as ApiPod } from '#api/generated/types.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { startTestNode, type TestNodeOptions } from '#node/testing.ts'
import { startTestServer } from '#server/testing.ts'

const start = (options: Omit<TestNodeOptions, 'connect'> = {}) =>
  startTestNode({ connect: (clock) => startTestServer({ clock }), ...options })
const main = (pod: ApiPod): ContainerStatus | undefined => pod.status?.containerStatuses?.[0]
const waiting = (reason: string) => (pod: ApiPod) => main(pod)?.state?.waiting?.reason === reason
const running = (pod: ApiPod) => main(pod)?.state?.running !== undefined

const refusals: [name: string, spec: object, reason: string, message: string][] = [
  [
    'more cpu than there is',
    { containers: [{ name: 'main', image: 'app', resources: { requests: { cpu: '5' } } }] },
    'OutOfcpu',
    "Pod was rejected: Node didn't have enough resource: cpu, requested: 5000, used: 0, capacity: 4000",
  ],
  [
    'another node’s label',
    { nodeSelector: { disk: 'ssd' } },
    'NodeAffinity',
    "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  ],
  [
    'user namespaces',
    { hostUsers: false },
    'UserNamespacesNotSupported',
    'Pod was rejected: user namespaces (hostUsers: false) are not supported by this node',
  ],
]
for (const [name, spec, reason, message] of refusals) {
  test(`agent refuses a pod that asks for ${name}`, async () => {
    await using node = await start()
    await node.create('refused', spec)
    const pod = await node.pod('refused', (one) => one.status?.phase === 'Failed')
    assert.equal(pod.status?.reason, reason)
    assert.equal(pod.status?.message, message)
    assert.deepEqual(node.runtime.calls, [])
  })
}

test('agent refuses a host port that is taken', async () => {
  await using node = await start()
  const spec = { containers: [{ name: 'main', image: 'app', ports: [{ containerPort: 80, hostPort: 8080 }] }] }
  await node.create('first', spec)
  await node.pod('first', running)
  await node.create('second', spec)
  const pod = await node.pod('second', (one) => one.status?.phase === 'Failed')
  assert.equal(pod.status?.reason, 'NodePorts')
})

test('agent admits a pod to a host port that one deleted by force is still leaving', async () => {
  await using node = await start({ runtime: { behaviour: () => ({ stopMs: 60_000 }) } })
  const spec = { containers: [{ name: 'main', image: 'app', ports: [{ containerPort: 80, hostPort: 8080 }] }] }
  await node.create('first', spec)
  await node.pod('first', running)
  await node.client.delete(Pod, { namespace: 'default', name: 'first' }, { gracePeriodSeconds: 0 })
  await node.create('second', spec)
  await node.pod('second', running)
})

test('agent backs off from an image that cannot be pulled, and runs it once it can', async () => {
  let there = false
  await using node = await start({ runtime: { images: { pullable: () => there || 'manifest unknown' } } })
  await node.create('web', {})
  const failing = await node.pod('web', waiting('ImagePullBackOff'))
  assert.equal(main(failing)?.state?.waiting?.message, 'Back-off pulling image "app": ErrImagePull: manifest unknown')
  await node.clock.advance(10_000)
  await node.until(async () => node.runtime.calls.filter((call) => call === 'pullImage app').length === 2)
  await node.until(async () => (await node.events('web')).some(({ reason, count }) => reason === 'Failed' && count === 2))
  await node.pod('web', waiting('ErrImagePull'))
  await node.clock.advance(10_000)
  await node.pod('web', waiting('ImagePullBackOff'))
  there = true
  await node.clock.advance(10_000)
  await node.pod('web', running)
  const events = (await node.events('web')).map(({ message }) => message)
  assert.ok(events.includes('Failed to pull image "app": manifest unknown'))
  assert.ok(events.includes('Error: ErrImagePull'))
})

const images: [name: string, container: object, reason: string, message: string][] = [
  [
    'a policy of Never',
    { image: 'absent:1', imagePullPolicy: 'Never' },
    'ErrImageNeverPull',
    'Container image "absent:1" is not present with pull policy of Never',
  ],
  [
    'a name that is none',
    { image: 'Not A Name' },
    'InvalidImageName',
    'Failed to apply default image tag "Not A Name": couldn\'t parse image name "Not A Name": invalid reference format',
  ],
  [
    'a missing config map',
    { image: 'app', envFrom: [{ configMapRef: { name: 'gone' } }] },
    'CreateContainerConfigError',
    'configmap "gone" not found',
  ],
  [
    'root where root may not run',
    { image: 'app', securityContext: { runAsNonRoot: true, runAsUser: 0 } },
    'CreateContainerConfigError',
    'container\'s runAsUser breaks non-root policy (pod: "web_default(UID)", container: main)',
  ],
]
for (const [name, container, reason, message] of images) {
  test(`agent says why a container with ${name} does not start`, async () => {
    await using node = await start()
    await node.create('web', { containers: [{ name: 'main', image: 'app', ...container }] })
    const pod = await node.pod('web', waiting(reason))
    assert.equal(main(pod)?.state?.waiting?.message, message.replace('UID', pod.metadata!.uid!))
    assert.equal(pod.status?.phase, 'Pending')
  })
}

const failures: [name: string, behaviour: object, reason: string][] = [
  ['cannot be created', { createError: 'no space left on device' }, 'CreateContainerError'],
  ['cannot be started', { startError: 'exec: "nope": executable file not found in $PATH' }, 'RunContainerError'],
]
for (const [name, behaviour, reason] of failures) {
  test(`agent reports a container that ${name}`, async () => {
    await using node = await start({ runtime: { behaviour: () => behaviour } })
    await node.create('web', {})
    await node.until(async () =>
      (await node.events('web')).some(({ reason: event, message }) => event === 'Failed' && message?.startsWith('Error: ')),
    )
    await node.pod('web', (pod) => [reason, 'CrashLoopBackOff'].includes(main(pod)?.state?.waiting?.reason ?? ''))
  })
}

test('agent waits for a volume’s config map, writes its files and follows its changes', async () => {
  await using node = await start()
  const key = { namespace: 'default', name: 'settings' }
  const pod = await node.create('web', {
    containers: [{ name: 'main', image: 'app', volumeMounts: [{ name: 'conf', mountPath: '/conf' }] }],
    volumes: [{ name: 'conf', configMap: { name: 'settings' } }],
  })
  const event = await node.until(async () => (await node.events('web')).find(({ reason }) => reason === 'FailedMount'))
  assert.equal(event.message, 'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found')
  await node.client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata: key, data: { colour: 'blue' } })
  await node.pod('web', running)
  const file = join(node.directory, 'pods', pod.metadata!.uid!, 'volumes', 'kubernetes.io~configmap', 'conf', 'colour')
  assert.equal(await readFile(file, 'utf8'), 'blue')
  await node.client.patch(ConfigMap, key, { type: 'merge', patch: { data: { colour: 'red' } } })
  await node.until(async () => (await readFile(file, 'utf8')) === 'red')
  await node.client.delete(Pod, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 1 })
  await node.until(async () => (await node.get('web')) === undefined)
  await assert.rejects(stat(join(node.directory, 'pods', pod.metadata!.uid!)), { code: 'ENOENT' })
})

test('agent runs hooks: postStart before the next container, preStop before the end', async () => {
  const commands: string[] = []
  await using node = await start({
    runtime: {
      exec: (_id, command) => {
        commands.push(command.join(' '))
        return { exitCode: 0 }
      },
    },
  })
  const hook = (name: string) => ({ postStart: { exec: { command: ['up', name] } }, preStop: { exec: { command: ['down', name] } } })
  await node.create('web', { containers: [{ name: 'main', image: 'app', lifecycle: hook('main') }] })
  await node.pod('web', running)
  await node.client.delete(Pod, { namespace: 'default', name: 'web' })
  await node.until(async () => (await node.get('web')) === undefined)
  assert.deepEqual(commands, ['up main', 'down main'])
})

test('agent kills a container whose postStart hook fails', async () => {
  await using node = await start({ runtime: { exec: () => ({ exitCode: 1, stderr: 'no' }) } })
  await node.create('web', {
    restartPolicy: 'Never',
    containers: [{ name: 'main', image: 'app', lifecycle: { postStart: { exec: { command: ['up'] } } } }],
  })
  await node.pod('web', (pod) => main(pod)?.state?.terminated)
  const events = (
    await node.until(async () => {
      const found = await node.events('web')
      return found.some(({ reason }) => reason === 'Killing') && found
    })
  ).map(({ reason, message }) => `${reason}: ${message}`)
  assert.ok(events.includes('FailedPostStartHook: PostStartHook failed'))
  assert.ok(events.includes('Killing: FailedPostStartHook'))
})

test('agent ends sidecars after the main container, last first', async () => {
  await using node = await start()
  await node.create('web', {
    initContainers: [
      { name: 'a', image: 'app', restartPolicy: 'Always' },
      { name: 'b', image: 'app', restartPolicy: 'Always' },
    ],
  })
  await node.pod('web', running)
  await node.client.delete(Pod, { namespace: 'default', name: 'web' })
  await node.until(async () => (await node.get('web')) === undefined)
  const stops = node.runtime.calls.filter((call) => call.startsWith('stopContainer')).map((call) => call.split(' ')[1])
  assert.deepEqual(stops, ['main', 'b', 'a'])
})

test('node registers itself Ready with its range, capacity and kubelet port', async () => {
  await using own = await start({ node: { podCidr: '10.244.3.0/24', labels: { zone: 'a' } } })
  const node = await own.client.get(Node, { name: 'node-1' })
  assert.deepEqual(node.spec?.podCIDRs, ['10.244.3.0/24'])
  assert.equal(node.metadata?.labels?.['kubernetes.io/hostname'], 'node-1')
  assert.equal(node.metadata?.labels?.zone, 'a')
  assert.equal(node.status?.daemonEndpoints?.kubeletEndpoint?.Port, 10250)
  assert.deepEqual(node.status?.addresses, [
    { type: 'InternalIP', address: '192.0.2.1' },
    { type: 'Hostname', address: 'node-1' },
  ])
  assert.deepEqual(
    node.status?.conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`),
    [
      'MemoryPressure=False KubeletHasSufficientMemory',
      'DiskPressure=False KubeletHasNoDiskPressure',
      'PIDPressure=False KubeletHasSufficientPID',
      'Ready=True KubeletReady',
    ],
  )
})

test('node writes its status only when it changed or five minutes have passed', async () => {
  await using own = await start()
  const version = async () => (await own.client.get(Node, { name: 'node-1' })).metadata?.resourceVersion
  const first = await version()
  await own.clock.advance(60_000)
  assert.equal(await version(), first)
  await own.clock.advance(240_000)
  await own.until(async () => (await version()) !== first)
})
