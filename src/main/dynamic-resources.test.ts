// Devices from a slice to a pod and back: claims from templates and for extended resources, through controllers, scheduler and simulated nodes, each
// with the rights it has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceClaimTemplate } from '#api/kinds/resource/resource-claim-template.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { startCluster, virtual } from './testing.ts'

const apiVersion = 'resource.k8s.io/v1'
const namespace = 'default'

test('startCluster gives pods the devices they claim, and takes them back when the pods go', async () => {
  await using cluster = await startCluster({ nodes: 2, clock: virtual(), seed: 1, listen: false })
  const { client } = cluster
  await cluster.idle()
  const driver = 'gpu.example.com'
  const pool = { name: 'pool', generation: 1, resourceSliceCount: 1 }
  const spec = { driver, nodeName: 'simulated-1', pool, devices: [{ name: 'g0' }, { name: 'g1' }] }
  await client.create(ResourceSlice, { apiVersion, kind: 'ResourceSlice', metadata: { name: 'slice' }, spec })
  await client.create(DeviceClass, {
    apiVersion,
    kind: 'DeviceClass',
    metadata: { name: 'gpu' },
    spec: { extendedResourceName: 'example.com/gpu' },
  })
  const requests = [{ name: 'r', exactly: { deviceClassName: 'gpu' } }]
  await client.create(ResourceClaimTemplate, {
    apiVersion,
    kind: 'ResourceClaimTemplate',
    metadata: { name: 'template', namespace },
    spec: { spec: { devices: { requests } } },
  })
  const createPod = (name: string, own: object, resources: object = {}) =>
    client.create(Pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: { containers: [{ name: 'c', image: 'i', resources }], ...own },
    })
  const wanted = { 'example.com/gpu': '1' }
  await createPod('templated', { resourceClaims: [{ name: 'd', resourceClaimTemplateName: 'template' }] })
  await createPod('extended', {}, { requests: wanted, limits: wanted })
  await cluster.idle()
  for (const name of ['templated', 'extended']) {
    const pod = await client.get(Pod, { namespace, name })
    assert.deepEqual([pod.spec!.nodeName, pod.status!.phase], ['simulated-1', 'Running'], name)
  }
  const claims = (await client.list(ResourceClaim)).items
  const devices = claims.flatMap(({ status }) => status!.allocation!.devices!.results!.map(({ device }) => device))
  assert.deepEqual(devices.toSorted(), ['g0', 'g1'])
  for (const name of ['templated', 'extended']) await client.delete(Pod, { namespace, name })
  await cluster.advance('60s')
  await cluster.idle()
  assert.deepEqual((await client.list(ResourceClaim)).items, [])
})
