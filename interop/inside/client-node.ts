// What programs do with @kubernetes/client-node: typed calls, patches of every type, watches, informers, and streams into a running pod.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import * as k8s from '@kubernetes/client-node'
import { eventually } from '../instance.ts'

const config = new k8s.KubeConfig()
config.loadFromDefault()
const core = config.makeApiClient(k8s.CoreV1Api)
const apps = config.makeApiClient(k8s.AppsV1Api)
const objects = k8s.KubernetesObjectApi.makeApiClient(config)
const namespace = 'client-node'
const patchAs = (type: string) => k8s.setHeaderOptions('Content-Type', type)

before(async () => {
  await core.createNamespace({ body: { metadata: { name: namespace } } })
  await core.createNamespacedPod({
    namespace,
    body: {
      metadata: { name: 'box', labels: { app: 'box' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'box',
            image: 'busybox:1.35',
            command: ['sh', '-c', 'echo ready; mkdir -p /www; echo page > /www/index.html; exec httpd -f -p 8080 -h /www'],
          },
        ],
      },
    },
  })
  await eventually(async () => (await core.readNamespacedPod({ name: 'box', namespace })).status?.phase === 'Running', {
    what: 'a running pod',
  })
})
after(() => core.deleteNamespace({ name: namespace }))

test('typed calls and every type of patch', async () => {
  const key = { name: 'settings', namespace }
  const made = await core.createNamespacedConfigMap({
    namespace,
    body: { metadata: { name: key.name, labels: { a: 'b' } }, data: { x: '1' } },
  })
  assert.ok(made.metadata!.creationTimestamp instanceof Date)
  await core.patchNamespacedConfigMap(
    { ...key, body: [{ op: 'replace', path: '/data/x', value: '2' }] },
    patchAs(k8s.PatchStrategy.JsonPatch),
  )
  await core.patchNamespacedConfigMap({ ...key, body: { data: { y: '3' } } }, patchAs(k8s.PatchStrategy.MergePatch))
  await core.patchNamespacedConfigMap(
    { ...key, body: { metadata: { labels: { a: null } } } },
    patchAs(k8s.PatchStrategy.StrategicMergePatch),
  )
  const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: key.name }, data: { z: '4' } }
  await core.patchNamespacedConfigMap(
    { ...key, body: applied, fieldManager: 'tester', force: true },
    patchAs(k8s.PatchStrategy.ServerSideApply),
  )
  const { data, metadata } = await core.readNamespacedConfigMap(key)
  assert.deepEqual([data, metadata!.labels], [{ x: '2', y: '3', z: '4' }, undefined])
  assert.ok(metadata!.managedFields!.some(({ manager, operation }) => manager === 'tester' && operation === 'Apply'))
  const stale = { ...made, data: {} }
  await assert.rejects(core.replaceNamespacedConfigMap({ ...key, body: stale }), (error: k8s.ApiException<string>) => error.code === 409)
  const { items } = await core.listNamespacedConfigMap({ namespace, fieldSelector: 'metadata.name=settings', limit: 1 })
  assert.equal(items.length, 1)
  assert.equal((await core.deleteNamespacedConfigMap(key)).status, 'Success')
  await assert.rejects(core.readNamespacedConfigMap(key), (error: k8s.ApiException<string>) => error.code === 404)
})

test('objects of any kind by what they say they are', async () => {
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'busybox:1.35' }] } },
    },
  }
  await objects.create(deployment)
  const { status } = await eventually(async () => {
    const read = await apps.readNamespacedDeployment({ name: 'web', namespace })
    return read.status?.observedGeneration === 1 && read
  })
  assert.ok(status!.conditions!.some(({ type }) => type === 'Available'))
  const scaled = await apps.replaceNamespacedDeploymentScale({
    name: 'web',
    namespace,
    body: { metadata: { name: 'web', namespace }, spec: { replicas: 0 } },
  })
  assert.equal(scaled.spec!.replicas ?? 0, 0)
  await objects.delete(deployment)
})

test('a watch and an informer tell what happens', async () => {
  const seen: string[] = []
  const path = `/api/v1/namespaces/${namespace}/configmaps`
  const patient = new k8s.Watch(config)
  Object.assign(patient, { requestTimeoutMs: 300_000 })
  const controller = await patient.watch(
    path,
    { labelSelector: 'watched=yes' },
    (phase, { metadata }) => void seen.push(`${phase} ${metadata.name}`),
    () => {},
  )
  const informer = k8s.makeInformer(
    config,
    path,
    () => core.listNamespacedConfigMap({ namespace, labelSelector: 'watched=yes' }),
    'watched=yes',
  )
  for (const event of ['add', 'update', 'delete'] as const)
    informer.on(event, ({ metadata }: any) => void seen.push(`${event} ${metadata!.name}`))
  await informer.start()
  const body = { metadata: { name: 'w', labels: { watched: 'yes' } } }
  await core.createNamespacedConfigMap({ namespace, body })
  await core.replaceNamespacedConfigMap({ name: 'w', namespace, body: { ...body, data: { a: 'b' } } })
  await core.deleteNamespacedConfigMap({ name: 'w', namespace })
  await eventually(async () => ['DELETED w', 'delete w'].every((one) => seen.includes(one)))
  assert.deepEqual(
    seen.filter((one) => /^[A-Z]/.test(one)),
    ['ADDED w', 'MODIFIED w', 'DELETED w'],
  )
  assert.deepEqual(
    seen.filter((one) => /^[a-z]/.test(one)),
    ['add w', 'update w', 'delete w'],
  )
  controller.abort()
  await informer.stop()
})

test('exec carries input, output and how it ended', async () => {
  const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const said = text(stdout)
  const ended = Promise.withResolvers<k8s.V1Status>()
  const command = ['sh', '-c', 'read line; echo "got $line"; echo oops >&2; exit 3']
  const socket = await new k8s.Exec(config).exec(namespace, 'box', 'box', command, stdout, stderr, stdin, false, (status) =>
    ended.resolve(status),
  )
  stdin.write('hello\n')
  const status = await ended.promise
  socket.close()
  stdout.end()
  assert.equal(await said, 'got hello\n')
  assert.equal(String(stderr.read()), 'oops\n')
  assert.deepEqual([status.status, status.reason, status.details?.causes?.[0]?.message], ['Failure', 'NonZeroExitCode', '3'])
})

test('logs are read and followed', async () => {
  await eventually(async () => (await core.readNamespacedPodLog({ name: 'box', namespace })) === 'ready\n')
  const command = ['sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.3; done']
  const spec = { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox:1.35', command }] }
  await core.createNamespacedPod({ namespace, body: { metadata: { name: 'brief' }, spec } })
  await eventually(async () => (await core.readNamespacedPod({ name: 'brief', namespace })).status?.phase !== 'Pending')
  const output = new PassThrough()
  await new k8s.Log(config).log(namespace, 'brief', 'c', output, { follow: true })
  assert.equal(await text(output), '1\n2\n3\n')
})

async function outputOf(command: string[]): Promise<string> {
  const stdout = new PassThrough()
  const said = text(stdout)
  const ended = Promise.withResolvers<void>()
  const socket = await new k8s.Exec(config).exec(namespace, 'box', 'box', command, stdout, null, null, false, () => ended.resolve())
  await ended.promise
  socket.close()
  stdout.end()
  return said
}

test('files are copied into a pod and out of it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'client-node-'))
  try {
    writeFileSync(join(directory, 'in.txt'), 'through and through')
    const unpacked = Promise.withResolvers<unknown>()
    // Both copies return before anything is copied; the stream that one out of a pod goes to tells when all is written.
    class WatchedExec extends k8s.Exec {
      override exec(...args: Parameters<k8s.Exec['exec']>) {
        const [, , , , output] = args
        if (output) unpacked.resolve(once(output, 'finish'))
        return super.exec(...args)
      }
    }
    const copy = new k8s.Cp(config, new WatchedExec(config))
    await copy.cpToPod(namespace, 'box', 'box', directory, '/www')
    await eventually(async () => (await outputOf(['cat', '/www/in.txt'])) === 'through and through')
    await copy.cpFromPod(namespace, 'box', 'box', 'in.txt', join(directory, 'out'), '/www')
    await unpacked.promise
    assert.equal(readFileSync(join(directory, 'out/in.txt'), 'utf8'), 'through and through')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a port is forwarded', async () => {
  const forward = new k8s.PortForward(config)
  const server = createServer((socket) => void forward.portForward(namespace, 'box', [8080], socket, null, socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET /index.html HTTP/1.0\r\n\r\n')
  let answer = ''
  // The client writes what comes from the pod into the socket whether that is still open or not: it stays so until the last byte.
  for await (const bytes of socket) if ((answer += bytes).endsWith('page\n')) break
  assert.match(answer, /^HTTP\/1\.[01] 200 OK/)
  server.close()
})
