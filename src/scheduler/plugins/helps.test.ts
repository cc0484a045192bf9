import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '#api/object.ts'
import type { ClusterChange, Plugin } from '#scheduler/plugin.ts'
import { podInfoOf } from '#scheduler/pod-info.ts'
import { claimOf, mounting, nodeOf, podOf, type NodeShape, type PodShape } from '#scheduler/testing.ts'
import { dynamicResources } from './dynamic-resources.ts'
import { interPodAffinity } from './inter-pod-affinity.ts'
import { nodeAffinity } from './node-affinity.ts'
import { NodeDeclaredFeatures } from './node-declared-features.ts'
import { NodePorts } from './node-ports.ts'
import { NodeUnschedulable } from './node-unschedulable.ts'
import { nodeResourcesFit } from './node-resources-fit.ts'
import { NodeVolumeLimits } from './node-volume-limits.ts'
import { podTopologySpread } from './pod-topology-spread.ts'
import { TaintToleration } from './taint-toleration.ts'
import { volumeBinding } from './volume-binding.ts'
import { VolumeRestrictions } from './volume-restrictions.ts'

const added = (shape: NodeShape = {}): ClusterChange => ({ type: 'node', node: nodeOf('n', shape) })
const changed = (from: NodeShape, to: NodeShape): ClusterChange => ({ type: 'node', node: nodeOf('n', to), previous: nodeOf('n', from) })
const gone = (shape: PodShape): ClusterChange => ({ type: 'pod gone', pod: podOf('other', shape) })
const assigned = (shape: PodShape): ClusterChange => ({ type: 'pod assigned', pod: podOf('other', shape) })
const became = (from: PodShape, to: PodShape, ...freed: string[]): ClusterChange => ({
  type: 'pod changed',
  pod: podOf('other', to),
  previous: podOf('other', from),
  freed: new Set(freed),
})
const own = (from: PodShape, to: PodShape): ClusterChange => ({ type: 'own', pod: podOf('p', to), previous: podOf('p', from) })
const nodeGone = (shape: NodeShape = {}): ClusterChange => ({ type: 'node gone', node: nodeOf('n', shape) })
const appeared = (object: KubeObject): ClusterChange => ({ type: 'object', kind: object.kind!, action: 'Add', object })
const updated = (previous: KubeObject, object: KubeObject): ClusterChange => ({
  type: 'object',
  kind: object.kind!,
  action: 'Update',
  object,
  previous,
})
const taint = (key: string): NodeShape => ({ spec: { taints: [{ key, effect: 'NoSchedule' }] } })
const port = (hostPort: number): PodShape => ({ containers: [{ name: 'c', ports: [{ containerPort: 1, hostPort }] }] })
const gpu = { containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '2' } } }] }
const tolerant: PodShape = { tolerations: [{ operator: 'Exists' }] }
const web = { labels: { app: 'web' } }
const about = { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'web' } } }
const near: PodShape = { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [about] } } }
const far: PodShape = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [about] } } }
const spread: PodShape = { topologySpreadConstraints: [{ ...about, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' }] }
const zoned = { labels: { zone: 'x' } }
const declaring = (...declaredFeatures: string[]) => ({ ...nodeOf('n'), status: { declaredFeatures } })
const restarting: PodShape = { containers: [{ name: 'c', image: 'i', restartPolicyRules: [{ action: 'RestartAllContainers' } as any] }] }
const claiming: PodShape = { resourceClaims: [{ name: 'd', resourceClaimName: 'mine' }] }
const resourceClaim = (name: string, status: object = {}) =>
  ({ apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata: { name, namespace: 'default' }, status }) as KubeObject
const there = { nodeSelector: { zone: 'x' } }

const cases: [Plugin, title: string, PodShape, ClusterChange, boolean][] = [
  [nodeResourcesFit(), 'a node that is large enough', { cpu: '2' }, added(), true],
  [nodeResourcesFit(), 'one that is too small', { cpu: '9' }, added(), false],
  [nodeResourcesFit(), 'one that grew enough', { cpu: '4' }, changed({ cpu: '2' }, { cpu: '4' }), true],
  [nodeResourcesFit(), 'one that grew too little', { cpu: '4' }, changed({ cpu: '2' }, { cpu: '3' }), false],
  [nodeResourcesFit(), 'one that grew in something else', { cpu: '4' }, changed({}, { memory: '9Gi' }), false],
  [nodeResourcesFit(), 'one that takes more pods', { cpu: '4' }, changed({}, { pods: '111' }), true],
  [nodeResourcesFit(), 'one that is what it was', { cpu: '4' }, changed({}, taint('k')), false],
  [nodeResourcesFit(), 'one with too few devices', gpu, added({ more: { 'example.com/gpu': '1' } }), false],
  [nodeResourcesFit(), 'one with devices', gpu, added({ more: { 'example.com/gpu': '2' } }), true],
  [nodeResourcesFit(), 'a pod that is gone', { cpu: '4' }, gone({ cpu: '1' }), true],
  [nodeResourcesFit(), 'a pod that gives back what it needs', { cpu: '4' }, became({}, {}, 'cpu'), true],
  [nodeResourcesFit(), 'one that gives back something else', { cpu: '4' }, became({}, {}, 'memory'), false],
  [nodeResourcesFit(), 'one that has other labels', { cpu: '4' }, became({}, web), false],
  [TaintToleration, 'a node without taints', {}, added(), true],
  [TaintToleration, 'one with taints', {}, added(taint('k')), false],
  [TaintToleration, 'one that lost its taint', {}, changed(taint('k'), {}), true],
  [TaintToleration, 'one that got another', {}, changed(taint('k'), taint('l')), false],
  [
    TaintToleration,
    'one that got one it tolerates',
    { tolerations: [{ key: 'l', operator: 'Exists' }] },
    changed(taint('k'), taint('l')),
    true,
  ],
  [TaintToleration, 'one that kept its taint', {}, changed(taint('k'), { ...taint('k'), cpu: '9' }), false],
  [nodeAffinity(), 'a node it selects', there, added({ labels: { zone: 'x' } }), true],
  [nodeAffinity(), 'one it does not', there, added({ labels: { zone: 'y' } }), false],
  [nodeAffinity(), 'one whose labels come to suit', there, changed({}, { labels: { zone: 'x' } }), true],
  [nodeAffinity(), 'one whose labels stay', there, changed({ labels: { zone: 'x' } }, { labels: { zone: 'x' }, cpu: '9' }), false],
  [nodeAffinity(), 'one that suited before', there, changed(zoned, { labels: { zone: 'x', more: '' } }), false],
  [
    TaintToleration,
    'one that was tolerated before',
    {},
    changed({}, { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }),
    false,
  ],
  [interPodAffinity(), 'a pod it wants to be near to', near, assigned(web), true],
  [interPodAffinity(), 'any other pod', near, assigned({}), false],
  [interPodAffinity(), 'one of another namespace', near, assigned({ ...web, namespace: 'other' }), false],
  [interPodAffinity(), 'one that came to be what it wants', near, became({}, web), true],
  [interPodAffinity(), 'one that stayed what it is', near, became(web, { labels: { app: 'web', more: '' } }), false],
  [interPodAffinity(), 'the company it would have, gone', near, gone(web), true],
  [interPodAffinity(), 'a pod it shunned, gone', far, gone(web), true],
  [interPodAffinity(), 'a pod it shunned, another now', far, became(web, {}), true],
  [interPodAffinity(), 'one more pod to shun', far, assigned(web), false],
  [interPodAffinity(), 'another pod that is gone', far, gone({}), false],
  [interPodAffinity(), 'one gone that shunned it', web, gone(far), true],
  [interPodAffinity(), 'one gone that shunned others', {}, gone(far), false],
  [interPodAffinity(), 'a node that comes', far, added(), true],
  [interPodAffinity(), 'a node that goes', far, nodeGone(zoned), false],
  [podTopologySpread(), 'a pod that is counted', spread, assigned(web), true],
  [podTopologySpread(), 'one that is not', spread, assigned({}), false],
  [podTopologySpread(), 'one of another namespace', spread, gone({ ...web, namespace: 'other' }), false],
  [podTopologySpread(), 'one that counts no more', spread, became(web, {}), true],
  [podTopologySpread(), 'one that counts as before', spread, became(web, { labels: { app: 'web', more: '' } }), false],
  [podTopologySpread(), 'a domain that goes', spread, nodeGone(zoned), true],
  [podTopologySpread(), 'a node that goes and was in none', spread, nodeGone(), false],
  [podTopologySpread(), 'a node that comes to a domain', spread, added(zoned), true],
  [podTopologySpread(), 'a node that comes to none', spread, added(), false],
  [podTopologySpread(), 'a node that left its domain', spread, changed(zoned, {}), true],
  [podTopologySpread(), 'a node that grew', spread, changed(zoned, { ...zoned, cpu: '9' }), false],
  [
    NodeDeclaredFeatures,
    'a node that can do it now',
    restarting,
    { type: 'node', node: declaring('RestartAllContainersOnContainerExits'), previous: declaring() },
    true,
  ],
  [
    NodeDeclaredFeatures,
    'a node that can do something else now',
    restarting,
    { type: 'node', node: declaring('Other'), previous: declaring() },
    false,
  ],
  [volumeBinding(), 'its claim', mounting('mine'), appeared(claimOf('mine')), true],
  [volumeBinding(), 'the claim of another', mounting('mine'), appeared(claimOf('other')), false],
  [volumeBinding(), 'a node that grew', mounting('mine'), changed({}, { cpu: '9' }), false],
  [VolumeRestrictions, 'a pod gone that had its claim', mounting('mine'), gone(mounting('mine')), true],
  [VolumeRestrictions, 'a pod gone that had another', mounting('mine'), gone(mounting('other')), false],
  [NodeVolumeLimits, 'a pod gone that had any volume', mounting('mine'), gone(mounting('other')), true],
  [
    NodeVolumeLimits,
    'a pod gone that had one of an in-tree type',
    mounting('mine'),
    gone({ volumes: [{ name: 'v', cinder: { volumeID: 'c' } }] }),
    true,
  ],
  [NodeVolumeLimits, 'a pod gone that had none', mounting('mine'), gone({}), false],
  [dynamicResources(), 'its claim', claiming, appeared(resourceClaim('mine')), true],
  [dynamicResources(), 'the claim of another', claiming, appeared(resourceClaim('other')), false],
  [
    dynamicResources(),
    'its claim, reserved for others',
    claiming,
    updated(resourceClaim('mine'), resourceClaim('mine', { reservedFor: [] })),
    true,
  ],
  [
    dynamicResources(),
    'another that gives back its devices',
    claiming,
    updated(resourceClaim('other', { allocation: {} }), resourceClaim('other')),
    true,
  ],
  [dynamicResources(), 'a node that says it is well', claiming, changed({}, { images: [] }), false],
  [
    NodePorts,
    'a pod that had its port at another address',
    { containers: [{ name: 'c', ports: [{ containerPort: 1, hostPort: 80, hostIP: '10.0.0.1' }] }] },
    gone({ containers: [{ name: 'c', ports: [{ containerPort: 1, hostPort: 80, hostIP: '10.0.0.2' }] }] }),
    false,
  ],
  [TaintToleration, 'a toleration of its own', tolerant, own({}, tolerant), true],
  [TaintToleration, 'a label of its own', web, own({}, web), false],
  [NodeUnschedulable, 'a toleration of its own for that', tolerant, own({}, tolerant), true],
  [NodeUnschedulable, 'a label of its own', web, own({}, web), false],
  [nodeResourcesFit(), 'asking for less itself', { cpu: '1' }, own({ cpu: '2' }, { cpu: '1' }), true],
  [nodeResourcesFit(), 'a label of its own', { ...web, cpu: '1' }, own({ cpu: '1' }, { ...web, cpu: '1' }), false],
  [nodeAffinity(), 'a toleration of its own', tolerant, own({}, tolerant), false],
  [interPodAffinity(), 'a label of its own', web, own({}, web), true],
  [interPodAffinity(), 'a toleration of its own', tolerant, own({}, tolerant), false],
  [podTopologySpread(), 'a label of its own', { ...web, ...spread }, own(spread, { ...web, ...spread }), true],
  [NodePorts, 'a label of its own', web, own({}, web), false],
  [NodePorts, 'a pod that had its port', port(80), gone(port(80)), true],
  [NodePorts, 'a pod that had another', port(80), gone(port(81)), false],
]
for (const [plugin, title, pod, change, expected] of cases) {
  test(`${plugin.name} ${expected ? 'wakes' : 'lets wait'} a pod for ${title}`, () => {
    assert.equal(plugin.helps!(change, podInfoOf(podOf('p', pod))), expected)
  })
}
