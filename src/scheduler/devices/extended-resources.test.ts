import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container } from '#api/generated/types.ts'
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
const gpus = (name: string, count: string) => asking(name, { 'example.com/gpu': count })
const pod = podOf('p', {
  initContainers: [asking('first', { 'example.com/fpga': '2' })],
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
    'what the first needs beyond what main will have is asked for beside it',
  )
  assert.deepEqual(
    mappings.map(({ containerName, resourceName, requestName }) => `${containerName} ${resourceName} ${requestName}`),
    [
      'main example.com/fpga container-1-request-1',
      'first example.com/fpga container-1-request-1',
      'first example.com/fpga container-0-request-0',
      'main example.com/gpu container-1-request-2',
    ],
  )
  const [owner] = claim.metadata!.ownerReferences!
  assert.deepEqual([owner!.kind, owner!.name, owner!.controller], ['Pod', 'p', true])
})

const lives: [title: string, initContainers: Container[], containers: Container[], requests: string[], mappings: string[]][] = [
  [
    'what comes later',
    [gpus('i', '1')],
    [gpus('c', '1')],
    ['container-1-request-0 1'],
    ['c container-1-request-0', 'i container-1-request-0'],
  ],
  [
    'one another',
    [gpus('i', '1'), gpus('j', '3'), gpus('k', '2')],
    [asking('c', {})],
    ['container-1-request-0 3'],
    ['i container-1-request-0', 'j container-1-request-0', 'k container-1-request-0'],
  ],
  [
    'sidecars that come later, not those before',
    [{ ...gpus('s', '1'), restartPolicy: 'Always' }, gpus('i', '1'), { ...gpus('t', '1'), restartPolicy: 'Always' }],
    [asking('c', {})],
    ['container-0-request-0 1', 'container-2-request-0 1'],
    ['s container-0-request-0', 't container-2-request-0', 'i container-2-request-0'],
  ],
]
for (const [title, initContainers, containers, requests, mappings] of lives) {
  test(`extendedClaimFor lets init containers that end use ${title}`, () => {
    const made = extendedClaimFor(podOf('p', { initContainers, containers }), on({}), delegated)!
    assert.deepEqual(
      made.claim.spec.devices!.requests!.map(({ name, exactly }) => `${name} ${exactly!.count}`),
      requests,
    )
    assert.deepEqual(
      made.mappings.map(({ containerName, requestName }) => `${containerName} ${requestName}`),
      mappings,
    )
  })
}

test('extendedClaimFor leaves to the node what it offers itself', () => {
  const names = (more: Record<string, string>) =>
    extendedClaimFor(pod, on(more), delegated)?.claim.spec.devices!.requests!.map(({ name }) => name)
  assert.deepEqual(names({ 'example.com/fpga': '1' }), ['container-1-request-2'])
  assert.deepEqual(names({ 'example.com/fpga': '2', 'example.com/gpu': '0' }), ['container-1-request-2'], 'none is not offered')
  assert.equal(names({ 'example.com/fpga': '2', 'example.com/gpu': '2' }), undefined)
})
