import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod as PodObject } from '#api/kinds/core/pod.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { attributesOf } from '#server/attributes.ts'
import type { Decision, RequestAttributes } from '#server/request.ts'
import { MemoryReader } from './memory-reader.ts'
import { nodeAuthorizer } from './node-authorizer.ts'
import { NodeGraph } from './node-graph.ts'

const pod = (name: string, nodeName: string): PodObject => ({
  metadata: { name, namespace: 'x' },
  status: { extendedResourceClaimStatus: { resourceClaimName: 'extended', requestMappings: [] } },
  spec: {
    nodeName,
    serviceAccountName: 'sa',
    containers: [{ name: 'c', env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } }] }],
    volumes: [
      { name: 's', secret: { secretName: 'tls' } },
      { name: 'd', persistentVolumeClaim: { claimName: 'data' } },
    ],
  },
})

function fixture() {
  const reader = new MemoryReader()
  reader.put(Pod, pod('p', 'n1'))
  reader.put(PersistentVolumeClaim, { metadata: { name: 'data', namespace: 'x' }, spec: { volumeName: 'pv' } })
  reader.put(PersistentVolume, {
    metadata: { name: 'pv' },
    spec: {
      claimRef: { namespace: 'x', name: 'data' },
      csi: {
        driver: 'd',
        volumeHandle: 'h',
        nodePublishSecretRef: { namespace: 'csi', name: 'mount' },
        controllerPublishSecretRef: { namespace: 'csi', name: 'publish' },
      },
    },
  })
  const device = { driver: 'd', pool: { name: 'p', generation: 1, resourceSliceCount: 1 } }
  reader.put(ResourceSlice, { metadata: { name: 'own' }, spec: { ...device, nodeName: 'n1' } })
  reader.put(ResourceSlice, { metadata: { name: 'other' }, spec: { ...device, nodeName: 'n2' } })
  const graph = new NodeGraph(reader)
  const authorizer = nodeAuthorizer(() => graph, [{ apiGroups: [''], resources: ['services'], verbs: ['list'] }])
  const ask = (node: string, more: Partial<RequestAttributes>) => {
    const user = { username: `system:node:${node}`, groups: ['system:nodes'] }
    return authorizer.authorize({ ...attributesOf(Pod, { user, verb: 'get' }), ...more }) as Decision
  }
  return { reader, ask }
}

const NEEDED: Partial<RequestAttributes>[] = [
  { resource: 'secrets', namespace: 'x', name: 'tls' },
  { resource: 'secrets', namespace: 'x', verb: 'watch', fieldSelector: 'metadata.name=tls' },
  { resource: 'configmaps', namespace: 'x', name: 'settings' },
  { resource: 'persistentvolumeclaims', namespace: 'x', name: 'data' },
  { resource: 'persistentvolumes', name: 'pv' },
  { resource: 'secrets', namespace: 'csi', name: 'mount' },
  { resource: 'serviceaccounts', namespace: 'x', name: 'sa', verb: 'create', subresource: 'token' },
  { resource: 'pods', namespace: 'x', name: 'p' },
]

test('nodeAuthorizer lets a node read what its pods need, and no other node', () => {
  const { reader, ask } = fixture()
  for (const request of NEEDED) {
    assert.deepEqual([ask('n1', request).allowed, ask('n2', request).allowed], [true, false], JSON.stringify(request))
    assert.match(ask('n2', request).reason, /no relationship found between node 'n2' and this object/)
  }
  reader.remove(Pod, { namespace: 'x', name: 'p' })
  for (const request of NEEDED) assert.equal(ask('n1', request).allowed, false, JSON.stringify(request))
})

test('nodeAuthorizer counts pods, so that one leaving does not take what another needs', () => {
  const { reader, ask } = fixture()
  reader.put(Pod, pod('q', 'n1'))
  reader.remove(Pod, { namespace: 'x', name: 'p' })
  assert.equal(ask('n1', { resource: 'secrets', namespace: 'x', name: 'tls' }).allowed, true)
})

const DECISIONS: [request: Partial<RequestAttributes>, allowed: boolean][] = [
  [{ resource: 'secrets', namespace: 'x', verb: 'list' }, false],
  [{ resource: 'secrets', namespace: 'x', name: 'tls', verb: 'update' }, false],
  [{ resource: 'services', verb: 'list' }, true],
  [{ resource: 'services', verb: 'create' }, false],
  [{ verb: 'list' }, false],
  [{ verb: 'watch', fieldSelector: 'spec.nodeName=n1' }, true],
  [{ verb: 'watch', fieldSelector: 'spec.nodeName=n2' }, false],
  [{ verb: 'watch', fieldSelector: 'spec.nodeName!=n1' }, false],
  [{ resource: 'nodes', name: 'n1' }, true],
  [{ resource: 'nodes', name: 'n2' }, false],
  [{ resource: 'nodes', verb: 'delete', name: 'n1' }, false],
  [{ resource: 'leases', group: 'coordination.k8s.io', namespace: 'kube-node-lease', name: 'n1', verb: 'update' }, true],
  [{ resource: 'leases', group: 'coordination.k8s.io', namespace: 'kube-node-lease', name: 'n2', verb: 'update' }, false],
  [{ resource: 'leases', group: 'coordination.k8s.io', namespace: 'kube-system', name: 'n1', verb: 'update' }, false],
  [{ resource: 'serviceaccounts', namespace: 'x', name: 'sa' }, true],
  [{ resource: 'serviceaccounts', namespace: 'x', name: 'other' }, false],
  [{ resource: 'serviceaccounts', namespace: 'x', verb: 'list' }, false],
  [{ resource: 'resourceslices', group: 'resource.k8s.io', verb: 'create' }, true],
  [{ resource: 'resourceslices', group: 'resource.k8s.io', verb: 'list' }, false],
  [{ resource: 'resourceslices', group: 'resource.k8s.io', verb: 'list', fieldSelector: 'spec.nodeName=n1' }, true],
  [{ resource: 'resourceslices', group: 'resource.k8s.io', verb: 'deletecollection', fieldSelector: 'spec.nodeName=n2' }, false],
  [{ resource: 'resourceslices', group: 'resource.k8s.io', verb: 'update', name: 'own' }, true],
  [{ resource: 'resourceslices', group: 'resource.k8s.io', verb: 'delete', name: 'other' }, false],
  [{ resource: 'resourceclaims', group: 'resource.k8s.io', namespace: 'x', name: 'extended' }, true],
  [{ resource: 'secrets', namespace: 'csi', name: 'publish' }, false],
  [{ resource: 'constructor' }, false],
]

test('nodeAuthorizer decides', () => {
  const { ask } = fixture()
  for (const [request, allowed] of DECISIONS) assert.equal(ask('n1', request).allowed, allowed, JSON.stringify(request))
})

test('nodeAuthorizer has nothing to say about others', () => {
  const { ask } = fixture()
  assert.equal(ask('n1', { resource: 'nodes', name: 'n1', user: { username: 'system:node:n1', groups: [] } }).allowed, false)
})

test('nodeAuthorizer waits until many pods are counted, whatever becomes of them meanwhile', async () => {
  const reader = new MemoryReader()
  const name = (i: number) => `p${String(i).padStart(4, '0')}`
  for (let i = 0; i < 3000; i++) reader.put(Pod, pod(name(i), `n${i}`))
  const graph = new NodeGraph(reader)
  const authorizer = nodeAuthorizer(() => graph, [])
  const ask = (i: number) => {
    const user = { username: `system:node:n${i}`, groups: ['system:nodes'] }
    return authorizer.authorize({ ...attributesOf(Pod, { user, verb: 'get' }), namespace: 'x', name: name(i) })
  }
  const asked = [1, 2998].map(ask)
  for (const one of asked) assert.ok(one instanceof Promise)
  for (const gone of [0, 2999]) reader.remove(Pod, { namespace: 'x', name: name(gone) })
  assert.deepEqual(
    (await Promise.all(asked)).map(({ allowed }) => allowed),
    [true, true],
  )
  assert.deepEqual(
    [0, 1, 2998, 2999].map((i) => (ask(i) as Decision).allowed),
    [false, true, true, false],
  )
})
