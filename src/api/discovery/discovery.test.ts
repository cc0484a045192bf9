import assert from 'node:assert/strict'
import { test } from 'node:test'
import { customKinds } from '#api/custom/custom-kind.ts'
import { defineKind } from '#api/define-kind.ts'
import type { CustomResourceDefinition } from '#api/generated/types.ts'
import { builtinKinds } from '#api/kinds.ts'
import { aggregatedVersionOf } from './aggregated.ts'
import { Discovery } from './discovery.ts'
import { compareVersions, groupsOf } from './group-order.ts'

const discovery = new Discovery(builtinKinds)
const options = { serverAddress: '127.0.0.1:6443' }
const read = (path: string, accept?: string) => JSON.parse(discovery.document(path, { ...options, accept })!.body.toString())

test('/api names the core version and the server', () => {
  const expected = [{ clientCIDR: '0.0.0.0/0', serverAddress: '127.0.0.1:6443' }]
  assert.deepEqual(read('/api'), { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: expected })
})

test('/apis lists groups in order, each with its preferred version', () => {
  const { groups } = read('/apis')
  assert.deepEqual(
    groups.slice(0, 4).map((group: { name: string }) => group.name),
    ['apiregistration.k8s.io', 'apps', 'events.k8s.io', 'authentication.k8s.io'],
  )
  const autoscaling = groups.find((group: { name: string }) => group.name === 'autoscaling')
  assert.deepEqual(autoscaling.preferredVersion, { groupVersion: 'autoscaling/v2', version: 'v2' })
  assert.deepEqual(read('/apis/autoscaling'), { kind: 'APIGroup', apiVersion: 'v1', ...autoscaling })
})

test('/api/v1 lists resources and subresources with kinds of other groups named', () => {
  const { resources, groupVersion } = read('/api/v1')
  assert.equal(groupVersion, 'v1')
  const find = (name: string) => resources.find((resource: { name: string }) => resource.name === name)
  assert.deepEqual(find('pods'), {
    name: 'pods',
    singularName: 'pod',
    namespaced: true,
    kind: 'Pod',
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    shortNames: ['po'],
    categories: ['all'],
    storageVersionHash: 'xPOwRZ+Yhw8=',
  })
  assert.deepEqual(find('pods/eviction'), {
    name: 'pods/eviction',
    singularName: '',
    namespaced: true,
    group: 'policy',
    version: 'v1',
    kind: 'Eviction',
    verbs: ['create'],
  })
  assert.equal(find('bindings').storageVersionHash, undefined)
  assert.equal(find('componentstatuses').storageVersionHash, undefined)
})

test('storageVersionHash follows the version objects are stored in', () => {
  const hashOf = (path: string, plural: string) =>
    read(path).resources.find((resource: { name: string }) => resource.name === plural).storageVersionHash
  assert.equal(hashOf('/apis/autoscaling/v1', 'horizontalpodautoscalers'), 'qwQve8ut294=')
  assert.equal(hashOf('/apis/autoscaling/v2', 'horizontalpodautoscalers'), 'qwQve8ut294=')
  assert.equal(hashOf('/apis/apps/v1', 'deployments'), '8aSe+NMegvE=')
})

test('aggregated discovery splits core from the rest and holds every resource', () => {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
  const core = read('/api', accept)
  assert.equal(core.apiVersion, 'apidiscovery.k8s.io/v2')
  assert.deepEqual(
    core.items.map((group: { metadata: object }) => group.metadata),
    [{}],
  )
  const pods = core.items[0].versions[0].resources.find((one: { resource: string }) => one.resource === 'pods')
  assert.deepEqual(pods.responseKind, { group: '', version: '', kind: 'Pod' })
  const eviction = pods.subresources.find((one: { subresource: string }) => one.subresource === 'eviction')
  assert.deepEqual(eviction, {
    subresource: 'eviction',
    responseKind: { group: 'policy', version: 'v1', kind: 'Eviction' },
    verbs: ['create'],
  })
  const binding = pods.subresources.find((one: { subresource: string }) => one.subresource === 'binding')
  assert.deepEqual(binding.responseKind, { group: '', version: '', kind: 'Binding' })
  const rest = read('/apis', accept).items
  const count = [...core.items, ...rest].flatMap(({ versions }) => versions.flatMap(({ resources }: { resources: unknown[] }) => resources))
  assert.equal(count.length, builtinKinds.length)
})

for (const [accept, version] of [
  [undefined, undefined],
  ['*/*', undefined],
  ['application/json', undefined],
  ['application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList', 'v2'],
  ['application/json;as=APIGroupDiscoveryList;v=v2beta1;g=apidiscovery.k8s.io,application/json', 'v2beta1'],
  ['application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList,application/json', undefined],
  ['application/json,application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList', undefined],
] as const) {
  test(`aggregatedVersionOf ${accept} is ${version}`, () => assert.equal(aggregatedVersionOf(accept), version))
}

test('document is undefined where there is nothing', () => {
  for (const path of ['/apis/none', '/apis/apps/v9', '/api/v2', '/apis/apps/v1/deployments', '/apis//v1', '/version', '/apis/__proto__']) {
    assert.equal(discovery.document(path, options), undefined, path)
  }
})

test('document keeps its etag as long as the kinds are the same', () => {
  const again = new Discovery(builtinKinds)
  assert.equal(again.document('/apis', options)!.etag, discovery.document('/apis', options)!.etag)
  const fewer = new Discovery(builtinKinds.filter(({ group }) => group !== 'batch'))
  assert.notEqual(fewer.document('/apis', options)!.etag, discovery.document('/apis', options)!.etag)
})

test('compareVersions prefers stable, then greater', () => {
  const versions = ['v1alpha1', 'v1', 'foo', 'v11', 'v2', 'v1beta2', 'v1beta10', 'v2alpha1']
  assert.deepEqual(versions.toSorted(compareVersions), ['v11', 'v2', 'v1', 'v1beta10', 'v1beta2', 'v2alpha1', 'v1alpha1', 'foo'])
})

test('groupsOf puts custom groups behind the built-in ones, by name', () => {
  const custom = (group: string) => defineKind({ group, version: 'v1', kind: 'Foo', plural: 'foos', scope: 'Namespaced' })
  const names = groupsOf([custom('b.example.com'), custom('a.example.com'), ...builtinKinds]).map(({ name }) => name)
  assert.deepEqual(names.slice(-3), ['flowcontrol.apiserver.k8s.io', 'a.example.com', 'b.example.com'])
})

test('custom resources are listed with their verbs and subresources in the order upstream gives them', () => {
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object' } },
    subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
  }
  const [gizmo] = customKinds({
    spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'gizmos', kind: 'Gizmo' }, versions: [version] },
  } as CustomResourceDefinition)
  const own = new Discovery([gizmo!])
  const of = (path: string, accept?: string) => JSON.parse(own.document(path, { ...options, accept })!.body.toString())
  const { resources } = of('/apis/example.com/v1')
  assert.deepEqual(
    resources.map(({ name }: { name: string }) => name),
    ['gizmos', 'gizmos/status', 'gizmos/scale'],
  )
  assert.deepEqual(resources[0].verbs, ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'])
  const [listed] = of('/apis', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList').items[0].versions[0].resources
  assert.deepEqual(listed.responseKind, { group: 'example.com', version: 'v1', kind: 'Gizmo' })
  assert.deepEqual(
    listed.subresources.map(({ responseKind }: { responseKind: object }) => responseKind),
    [
      { group: 'example.com', version: 'v1', kind: 'Gizmo' },
      { group: 'autoscaling', version: 'v1', kind: 'Scale' },
    ],
  )
})
