import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ResourceResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import type { KubeObject } from '#api/object.ts'
import type { Find } from './device-usage.ts'
import { inScope, missingRequests, usageOf } from './quota-usage.ts'

const now = Date.parse('2026-01-02T00:00:00Z')

/** One class stands for an extended resource of its own; one pod asks for devices by the names of such. */
const objects: Record<string, object> = {
  'deviceclasses/fpga': { spec: { extendedResourceName: 'example.com/fpga' } },
  'pods/p': {
    metadata: { uid: 'u', name: 'p' },
    spec: {
      containers: [{ name: 'c', resources: { requests: { 'example.com/fpga': '2', 'deviceclass.resource.kubernetes.io/fpga': '1' } } }],
    },
  },
}
const find = ((kind: Kind<any>, { name }: { name: string }) => objects[`${kind.plural}/${name}`]) as Find
const sized = (requests: object, status: object = {}) => ({ spec: { containers: [{ name: 'c', resources: { requests } }] }, status })
const given = (list: object, more: object = {}) => ({ containerStatuses: [{ name: 'c', resources: { requests: list }, ...more }] })
const infeasible = { conditions: [{ type: 'PodResizePending', status: 'True', reason: 'Infeasible' }] }
const ofDevices = (...requests: object[]) => ({ spec: { devices: { requests } } })
const claim = (storage: string, status: object = {}) => ({
  spec: { storageClassName: 'gold', resources: { requests: { storage } } },
  status,
})
const ports = [{ port: 80, nodePort: 30_000 }, { port: 81 }]

const used: [what: string, kind: Kind<any>, object: object, usage: Record<string, string>][] = [
  ['what a pod asks for', Pod, sized({ cpu: '2' }), { 'count/pods': '1', pods: '1', cpu: '2', 'requests.cpu': '2' }],
  [
    'what a shrinking pod still has',
    Pod,
    sized({ cpu: '1' }, given({ cpu: '2' })),
    { 'count/pods': '1', pods: '1', cpu: '2', 'requests.cpu': '2' },
  ],
  [
    'what a node has set aside for a growing pod',
    Pod,
    sized({ cpu: '1' }, given({ cpu: '1' }, { allocatedResources: { cpu: '3' } })),
    { 'count/pods': '1', pods: '1', cpu: '3', 'requests.cpu': '3' },
  ],
  [
    'what a pod has that can never grow as asked',
    Pod,
    sized({ cpu: '9' }, { ...given({ cpu: '1' }), ...infeasible }),
    { 'count/pods': '1', pods: '1', cpu: '1', 'requests.cpu': '1' },
  ],
  [
    'a pod whose time to go has come, for as long as it was given',
    Pod,
    { metadata: { deletionTimestamp: '2026-01-01T23:59:45Z', deletionGracePeriodSeconds: 30 }, ...sized({ cpu: '1' }) },
    { 'count/pods': '1', pods: '1', cpu: '1', 'requests.cpu': '1' },
  ],
  [
    'no more than the number of pods that do not go',
    Pod,
    { metadata: { deletionTimestamp: '2026-01-01T23:59:29Z', deletionGracePeriodSeconds: 30 }, ...sized({ cpu: '1' }) },
    { 'count/pods': '1' },
  ],
  ['no more than the number of pods that have ended', Pod, sized({ cpu: '1' }, { phase: 'Failed' }), { 'count/pods': '1' }],
  [
    'what a claim asks for, in whole bytes',
    PersistentVolumeClaim,
    claim('1500m'),
    {
      'count/persistentvolumeclaims': '1',
      persistentvolumeclaims: '1',
      'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
      'requests.storage': '2',
      'gold.storageclass.storage.k8s.io/requests.storage': '2',
    },
  ],
  [
    'what a claim was given before it was asked to take less',
    PersistentVolumeClaim,
    claim('1Gi', { allocatedResources: { storage: '2Gi' } }),
    {
      'count/persistentvolumeclaims': '1',
      persistentvolumeclaims: '1',
      'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
      'requests.storage': '2Gi',
      'gold.storageclass.storage.k8s.io/requests.storage': '2Gi',
    },
  ],
  [
    'ports that a load balancer opens on nodes',
    Service,
    { spec: { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports } },
    { 'count/services': '1', services: '1', 'services.nodeports': '1', 'services.loadbalancers': '1' },
  ],
  [
    'devices by class, all being as many as an allocation holds',
    ResourceResourceClaim,
    ofDevices(
      { name: 'a', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 2 } },
      { name: 'b', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 } },
      { name: 'c', exactly: { deviceClassName: 'nic', allocationMode: 'All' } },
    ),
    {
      'count/resourceclaims.resource.k8s.io': '1',
      'gpu.deviceclass.resource.k8s.io/devices': '3',
      'requests.deviceclass.resource.kubernetes.io/gpu': '3',
      'nic.deviceclass.resource.k8s.io/devices': '32',
      'requests.deviceclass.resource.kubernetes.io/nic': '32',
    },
  ],
  [
    'the largest of alternatives, class by class',
    ResourceResourceClaim,
    ofDevices({
      name: 'a',
      firstAvailable: [
        { name: 'x', deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 },
        { name: 'y', deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 4 },
        { name: 'z', deviceClassName: 'cpu', allocationMode: 'ExactCount', count: 2 },
      ],
    }),
    {
      'count/resourceclaims.resource.k8s.io': '1',
      'gpu.deviceclass.resource.k8s.io/devices': '4',
      'requests.deviceclass.resource.kubernetes.io/gpu': '4',
      'cpu.deviceclass.resource.k8s.io/devices': '2',
      'requests.deviceclass.resource.kubernetes.io/cpu': '2',
    },
  ],
  [
    'devices under the extended resource of their class, too',
    ResourceResourceClaim,
    ofDevices({ name: 'a', exactly: { deviceClassName: 'fpga', allocationMode: 'ExactCount', count: 2 } }),
    {
      'count/resourceclaims.resource.k8s.io': '1',
      'fpga.deviceclass.resource.k8s.io/devices': '2',
      'requests.deviceclass.resource.kubernetes.io/fpga': '2',
      'requests.example.com/fpga': '2',
    },
  ],
  [
    'nothing twice that the pod has asked for by the name of an extended resource',
    ResourceResourceClaim,
    {
      metadata: {
        name: 'made',
        annotations: { 'resource.kubernetes.io/extended-resource-claim': 'true' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true }],
      },
      ...ofDevices(
        { name: 'a', exactly: { deviceClassName: 'fpga', allocationMode: 'ExactCount', count: 2 } },
        { name: 'b', exactly: { deviceClassName: 'fpga', allocationMode: 'ExactCount', count: 1 } },
      ),
    },
    {
      'count/resourceclaims.resource.k8s.io': '1',
      'fpga.deviceclass.resource.k8s.io/devices': '3',
      'requests.deviceclass.resource.kubernetes.io/fpga': '2',
      'requests.example.com/fpga': '1',
    },
  ],
]

for (const [what, kind, object, usage] of used) {
  test(`usageOf counts ${what}`, () => {
    const found = Object.fromEntries(
      [...usageOf(kind, object as KubeObject, { now, find })].map(([name, amount]) => [name, amount.toString()]),
    )
    assert.deepEqual(found, usage)
  })
}

const ofClass = (wanted?: string, status: object = {}) => ({ spec: wanted ? { volumeAttributesClassName: wanted } : {}, status })
const vac = (operator: string, ...values: string[]) => ({
  scopeSelector: { matchExpressions: [{ scopeName: 'VolumeAttributesClass', operator, ...(values.length ? { values } : {}) }] },
})
const priority = (operator: string, ...values: string[]) => ({
  scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator, ...(values.length ? { values } : {}) }] },
})
const ofPriority = (priorityClassName?: string) => ({ spec: { containers: [], ...(priorityClassName ? { priorityClassName } : {}) } })

const scoped: [what: string, spec: object, kind: Kind<any>, object: object, is: boolean][] = [
  ['a claim of the class', vac('In', 'fast'), PersistentVolumeClaim, ofClass('fast'), true],
  ['a claim of another class', vac('In', 'fast'), PersistentVolumeClaim, ofClass('slow'), false],
  [
    'a claim that still has the class',
    vac('In', 'fast'),
    PersistentVolumeClaim,
    ofClass('slow', { currentVolumeAttributesClassName: 'fast' }),
    true,
  ],
  [
    'a claim that is being given the class',
    vac('In', 'fast'),
    PersistentVolumeClaim,
    ofClass(undefined, { modifyVolumeStatus: { targetVolumeAttributesClassName: 'fast', status: 'Pending' } }),
    true,
  ],
  ['a claim without class, where some class is asked for', vac('Exists'), PersistentVolumeClaim, ofClass(), false],
  ['a claim without class, where none is asked for', vac('DoesNotExist'), PersistentVolumeClaim, ofClass(), true],
  ['a claim without class, where one is excluded', vac('NotIn', 'fast'), PersistentVolumeClaim, ofClass(), true],
  ['a claim in scopes of pods', { scopes: ['BestEffort'] }, PersistentVolumeClaim, ofClass(), false],
  ['a pod in the scope of claims', vac('DoesNotExist'), Pod, ofPriority(), false],
  ['a pod of the priority', priority('In', 'high'), Pod, ofPriority('high'), true],
  ['a pod without priority, where one is excluded', priority('NotIn', 'high'), Pod, ofPriority(), true],
  ['a pod without priority, where some is asked for', priority('Exists'), Pod, ofPriority(), false],
  ['a pod without priority, where none is asked for', priority('DoesNotExist'), Pod, ofPriority(), true],
  ['a service', { scopes: ['NotTerminating'] }, Service, { spec: {} }, false],
]

for (const [what, spec, kind, object, is] of scoped) {
  test(`inScope ${is ? 'takes in' : 'leaves out'} ${what}`, () => assert.equal(inScope(spec, kind, object as KubeObject), is))
}

test('usageOf counts a pod by what it is and when, however often it was asked before', () => {
  const counted = (object: KubeObject, at = now) => usageOf(Pod, object, { now: at, find }).get('cpu')?.toString()
  const draft = { metadata: {}, ...sized({ cpu: '1' }) }
  assert.equal(counted(draft), '1')
  draft.spec.containers[0]!.resources.requests = { cpu: '2' }
  assert.equal(counted(draft), '2')
  const metadata = { deletionTimestamp: '2026-01-01T23:59:45Z', deletionGracePeriodSeconds: 30 }
  const going = Object.freeze({ metadata, ...sized({ cpu: '1' }) })
  for (const [seconds, expected] of [
    [0, '1'],
    [14, '1'],
    [16, undefined],
  ] as const)
    assert.equal(counted(going, now + seconds * 1000), expected)
})

test('missingRequests asks nothing of containers where the pod as a whole says what it needs', () => {
  const containers = [{ name: 'c', image: 'c' }]
  assert.equal(missingRequests({ spec: { containers } }, ['memory']), 'must specify memory for: c')
  assert.equal(missingRequests({ spec: { containers, resources: { requests: { cpu: '1' } } } }, ['memory']), undefined)
})
