import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { builtinKinds } from '#api/kinds.ts'
import type { KubeObject } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { createNamespace, startTestCluster } from './testing.ts'

test('controllerServices together run a workload from its creation to the end of its namespace', async (t) => {
  const cluster = await startTestCluster(t, { runPods: true, controllers: { certify: async () => '' } })
  const { client, eventually, warnings } = cluster
  const namespace = 'shop'
  const labels = { app: 'web' }
  await createNamespace(cluster, namespace)
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'c:1' }] } }
  await client.create(Deployment, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name: 'web' },
    spec: { replicas: 3, selector: { matchLabels: labels }, template },
  })
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: 'web' },
    spec: { selector: labels, ports: [{ port: 80 }] },
  })
  await eventually(async () => {
    const { items } = await client.list(EndpointSlice, { namespace })
    return items.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready).length === 3
  })
  await client.delete(Namespace, { name: namespace })
  await eventually(() =>
    client.get(Namespace, { name: namespace }).then(
      () => false,
      (error: unknown) => hasReason(error, 'NotFound'),
    ),
  )
  assert.deepEqual((await client.list(Pod, { namespace })).items, [])
  assert.deepEqual(
    warnings.filter((line) => !line.includes('NamespaceTerminating') && !line.includes('error looking up service account')),
    [],
  )
})

test('controllerServices do nothing once the world is as it should be', async (t) => {
  const { client, eventually, advance, clock } = await startTestCluster(t)
  await client.create(Node, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } })
  await eventually(async () => (await client.get(Node, { name: 'n1' })).spec?.podCIDR)
  // Longer than any grace: what is to be said about the silent node has been said.
  await advance(120_000)
  const kinds = builtinKinds.filter((kind) => !kind.virtual && kind.verbs.includes('list') && kind.kind !== 'Lease')
  const versions = async () =>
    (await Promise.all(kinds.map(async (kind) => (await client.list<KubeObject>(kind)).items)))
      .flat()
      .map(({ metadata }) => metadata?.resourceVersion)
  const before = await versions()
  await advance(600_000)
  assert.deepEqual(await versions(), before)
  // Bookmarks are the server's; controllers wait for the changes of others, with no timer but leases' ends.
  const minute = clock.now() + 60_000
  assert.ok(clock.pending().filter((due) => due > minute).length <= 2)
})

test('controllerServices give every controller an account of its own in kube-system', async (t) => {
  const { client } = await startTestCluster(t)
  const { items } = await client.list(ServiceAccount, { namespace: 'kube-system' })
  const names = items.map(({ metadata }) => metadata!.name!)
  for (const name of ['deployment-controller', 'replicaset-controller', 'generic-garbage-collector', 'node-controller'])
    assert.ok(names.includes(name), name)
})
