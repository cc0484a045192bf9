import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeInfo } from '#scheduler/node-info.ts'
import { nodeOf, podOf } from '#scheduler/testing.ts'
import { extendedClaimFor } from './extended-resources.ts'

const delegated = new Map([
  ['example.com/gpu', 'gpu'],
  ['example.com/fpga', 'fpga'],
])
const on = (more: Record<string, string>) => {
  const info = new NodeInfo('n')
  info.setNode(nodeOf('n', { more }))
  return info
}
const asking = (name: string, requests: Record<string, string>) => ({ name, image: 'i', resources: { requests } })
const pod = podOf('p', {
  initContainers: [asking('first', { 'example.com/fpga': '1' })],
  containers: [
    asking('main', { memory: '1Gi', cpu: '1', 'example.com/gpu': '2', 'example.com/fpga': '1', 'example.org/other': '1' }),
    asking('plain', { cpu: '1' }),
  ],
})

test('extendedClaimFor names requests by the place of the resource among all that the container asks for', () => {
  const { claim, mappings } = extendedClaimFor(pod, on({}), delegated)!
  assert.deepEqual(
    claim.spec.devices!.requests!.map(({ name, exactly }) => `${name} ${exactly!.deviceClassName} ${exactly!.count}`),
    ['container-0-request-0 fpga 1', 'container-1-request-1 fpga 1', 'container-1-request-2 gpu 2'],
  )
  assert.deepEqual(
    mappings.map(({ containerName, resourceName, requestName }) => `${containerName} ${resourceName} ${requestName}`),
    [
      'first example.com/fpga container-0-request-0',
      'main example.com/fpga container-1-request-1',
      'main example.com/gpu container-1-request-2',
    ],
  )
  const [owner] = claim.metadata!.ownerReferences!
  assert.deepEqual([owner!.kind, owner!.controller, owner!.blockOwnerDeletion], ['Pod', true, true])
})

test('extendedClaimFor leaves to the node what it offers itself', () => {
  const names = (more: Record<string, string>) =>
    extendedClaimFor(pod, on(more), delegated)?.claim.spec.devices!.requests!.map(({ name }) => name)
  assert.deepEqual(names({ 'example.com/fpga': '0' }), ['container-1-request-2'])
  assert.equal(names({ 'example.com/fpga': '2', 'example.com/gpu': '2' }), undefined)
})
