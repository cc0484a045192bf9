// A cluster in separate processes on one etcd: two API servers, two of each actor, simulated nodes. One of each is killed; work goes on.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Node } from '#api/kinds/core/node.ts'
import { ignoreNotFound } from '#api/status.ts'
import { noEtcd } from '#store/etcd/testing.ts'
import { startProcesses, until } from './processes.ts'

test('two API servers, controllers and schedulers share a cluster, and one of each may die', { skip: noEtcd }, async () => {
  await using processes = await startProcesses()
  const { serve, act, pki, home } = processes
  // One after the other: the first makes the keys.
  const a = await serve('a')
  const b = await serve('b')
  const actors = async ({ kubeconfig }: { kubeconfig: string }) => [
    await act('controllers', '--kubeconfig', kubeconfig, '--pki-dir', pki),
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

  // A scheduler of another name fills the same nodes at the same moment: one pod of 20 processors has room on each.
  const config = join(home, 'second.yaml')
  writeFileSync(
    config,
    `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: { resourceName: second-scheduler }
profiles: [{ schedulerName: second }]
`,
  )
  await act('scheduler', '--kubeconfig', b.kubeconfig, '--config', config)
  await until('the second scheduler to lead', () => holder('second-scheduler'))
  const pod = (name: string, schedulerName: string): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { large: 'yes' } },
    spec: { schedulerName, containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '20' } } }] },
  })
  const names = ['default-scheduler', 'second'].flatMap((of) => Array.from({ length: 4 }, (_, index) => [`${of}-${index}`, of] as const))
  await Promise.all(names.map(([name, of]) => a.client.create(Pod, pod(name, of))))
  const large = await until('three pods to run and the others to wait or be refused', async () => {
    const { items } = await b.client.list(Pod, { namespace: 'default', labelSelector: 'large=yes' })
    const running = items.filter(({ status }) => status?.phase === 'Running')
    return running.length === 3 && items.every(({ spec, status }) => status?.phase !== 'Pending' || !spec?.nodeName) && items
  })
  assert.equal(new Set(large.flatMap(({ spec, status }) => (status?.phase === 'Running' ? [spec?.nodeName] : []))).size, 3)
  for (const { status } of large) if (status?.phase === 'Failed') assert.equal(status.reason, 'OutOfcpu')
  await b.client.deleteCollection(Pod, { namespace: 'default', labelSelector: 'large=yes' })

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
