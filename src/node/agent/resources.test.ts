import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, Pod } from '#api/generated/types.ts'
import { cgroupParentOf, containerResources, podRequest, qosClassOf, type QosClass } from './resources.ts'

const container = (requests?: Record<string, string>, limits?: Record<string, string>, own: Partial<Container> = {}): Container => ({
  name: 'c',
  resources: { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) },
  ...own,
})
const pod = (containers: Container[], initContainers: Container[] = []): Pod => ({
  metadata: { uid: 'u1' },
  spec: { containers, initContainers },
})

const classes: [name: string, pod: Pod, qos: QosClass, parent: string][] = [
  ['nothing asked', pod([container()]), 'BestEffort', '/kubepods/besteffort/podu1'],
  ['a request', pod([container({ cpu: '100m' })]), 'Burstable', '/kubepods/burstable/podu1'],
  ['limits alone', pod([container(undefined, { cpu: '1', memory: '1Gi' })]), 'Guaranteed', '/kubepods/podu1'],
  [
    'requests below limits',
    pod([container({ cpu: '1', memory: '1Mi' }, { cpu: '1', memory: '1Gi' })]),
    'Burstable',
    '/kubepods/burstable/podu1',
  ],
  [
    'one container without',
    pod([container({ cpu: '1', memory: '1Gi' }, { cpu: '1', memory: '1Gi' }), container()]),
    'Burstable',
    '/kubepods/burstable/podu1',
  ],
]
for (const [name, one, qos, parent] of classes) {
  test(`qosClassOf ${name}`, () => {
    assert.equal(qosClassOf(one), qos)
    assert.equal(cgroupParentOf(one), parent)
  })
}

test('containerResources turns cpu into shares and quota, memory into bytes', () => {
  const own = container({ cpu: '250m', memory: '64Mi' }, { cpu: '500m', memory: '128Mi' })
  assert.deepEqual(containerResources(pod([own]), own, { memoryCapacityBytes: 1024 ** 3 }), {
    cpuShares: 256,
    cpuQuota: 50_000,
    cpuPeriod: 100_000,
    memoryLimitBytes: 128 * 1024 ** 2,
    oomScoreAdj: 937,
  })
})

test('podRequest is the larger of running containers and the largest moment of initialisation', () => {
  const sidecar = container({ cpu: '100m' }, undefined, { restartPolicy: 'Always' })
  assert.equal(podRequest(pod([container({ cpu: '200m' })], [sidecar, container({ cpu: '500m' })]), 'cpu').milliValue(), 600)
  assert.equal(podRequest(pod([container({ cpu: '900m' })], [sidecar, container({ cpu: '500m' })]), 'cpu').milliValue(), 1000)
})
