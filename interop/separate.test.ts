// A cluster in separate processes on one etcd: two API servers, two of each actor, simulated nodes. One of each is killed; work goes on.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { Node } from '#api/kinds/core/node.ts'
import { ignoreNotFound } from '#api/status.ts'
import { createHttpClient } from '#client/http-client.ts'
import { readKubeconfig } from '#client/kubeconfig.ts'
import { systemClock } from '#lib/clock.ts'
import { noEtcd, startEtcd } from '#store/etcd/testing.ts'
import { root, run } from './instance.ts'

const sampan = join(root, 'sampan')
const PATIENCE_MS = 60_000

async function until<T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = systemClock.monotonic() + PATIENCE_MS
  for (;;) {
    const result = await check().catch(() => undefined)
    if (result) return result
    if (systemClock.monotonic() > deadline) throw new Error(`${what} did not come about`)
    await systemClock.sleep(100)
  }
}

test('two API servers, controllers and schedulers share a cluster, and one of each may die', { skip: noEtcd }, async () => {
  await using parts = new AsyncDisposableStack()
  const home = mkdtempSync(join(tmpdir(), 'sampan-separate-'))
  parts.defer(() => rmSync(home, { recursive: true, force: true }))
  const etcd = parts.use(await startEtcd())
  const store = `etcd:http://${etcd.address.host}:${etcd.address.port}`

  const serve = async (name: string) => {
    const [data, kubeconfig] = [join(home, name), join(home, `${name}.kubeconfig`)]
    const words = [
      '--store',
      store,
      '--data-dir',
      data,
      '--pki-dir',
      join(home, 'pki'),
      '--kubeconfig',
      kubeconfig,
      '--port',
      '0',
      '--detach',
    ]
    const { code, stderr } = await run([sampan, 'server', ...words])
    assert.equal(code, 0, stderr)
    parts.defer(async () => void (await run([sampan, 'down', '--data-dir', data])))
    const client = parts.use(createHttpClient(readKubeconfig(kubeconfig)))
    const { pid } = JSON.parse(readFileSync(join(data, 'instance.json'), 'utf8')) as { pid: number }
    return { kubeconfig, client, kill: () => process.kill(pid, 'SIGKILL') }
  }
  const act = async (...words: string[]): Promise<ChildProcess> => {
    const child = spawn(sampan, words, { stdio: ['ignore', 'pipe', 'ignore'] })
    parts.defer(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill()
      await ended
    })
    await once(child.stdout!, 'data')
    return child
  }
  // One after the other: the first makes the keys.
  const a = await serve('a')
  const b = await serve('b')
  const actors = async ({ kubeconfig }: { kubeconfig: string }) => [
    await act('controllers', '--kubeconfig', kubeconfig, '--pki-dir', join(home, 'pki')),
    await act('scheduler', '--kubeconfig', kubeconfig),
  ]
  const ofA = await actors(a)
  await act('node', 'simulate', '--count', '3', '--kubeconfig', b.kubeconfig)

  const deploy = async ({ client }: typeof a, name: string, replicas: number) => {
    await until('the service account', () =>
      client.create(Deployment, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name, namespace: 'default' },
        spec: {
          replicas,
          selector: { matchLabels: { app: name } },
          template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'app' }] } },
        },
      }),
    )
  }
  const available = ({ client }: typeof a, name: string, replicas: number) =>
    until(`${replicas} of ${name}`, async () => {
      const found = await client.get(Deployment, { namespace: 'default', name }).catch(ignoreNotFound)
      return found?.status?.availableReplicas === replicas
    })
  const holder = async (name: string) => (await b.client.get(Lease, { namespace: 'kube-system', name })).spec?.holderIdentity
  const servers = async () => (await b.client.get(Endpoints, { namespace: 'default', name: 'kubernetes' })).subsets?.length

  await until('both API servers in the addresses of their service', async () => (await servers()) === 2)
  await until('three nodes', async () => (await b.client.list(Node)).items.length === 3)
  await deploy(a, 'web', 4)
  await available(b, 'web', 4)

  const [first, second] = [await holder('kube-controller-manager'), await holder('kube-scheduler')]
  assert.ok(first && second)
  await actors(b)
  a.kill()
  for (const child of ofA) child.kill('SIGKILL')
  await until('new leaders', async () => {
    const [controllers, scheduler] = [await holder('kube-controller-manager'), await holder('kube-scheduler')]
    return controllers && scheduler && controllers !== first && scheduler !== second
  })
  await deploy(b, 'more', 5)
  await available(b, 'more', 5)
  await available(b, 'web', 4)
  await until('the address of the server that died to go', async () => (await servers()) === 1)
})
