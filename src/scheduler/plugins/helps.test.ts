import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterChange, Plugin } from '#scheduler/plugin.ts'
import { podInfoOf } from '#scheduler/pod-info.ts'
import { nodeOf, podOf, type NodeShape, type PodShape } from '#scheduler/testing.ts'
import { nodeAffinity } from './node-affinity.ts'
import { NodePorts } from './node-ports.ts'
import { nodeResourcesFit } from './node-resources-fit.ts'
import { TaintToleration } from './taint-toleration.ts'

const added = (shape: NodeShape = {}): ClusterChange => ({ type: 'node', node: nodeOf('n', shape) })
const changed = (from: NodeShape, to: NodeShape): ClusterChange => ({ type: 'node', node: nodeOf('n', to), previous: nodeOf('n', from) })
const gone = (shape: PodShape): ClusterChange => ({ type: 'pod gone', pod: podOf('other', shape) })
const taint = (key: string): NodeShape => ({ spec: { taints: [{ key, effect: 'NoSchedule' }] } })
const port = (hostPort: number): PodShape => ({ containers: [{ name: 'c', ports: [{ containerPort: 1, hostPort }] }] })
const gpu = { containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '2' } } }] }
const there = { nodeSelector: { zone: 'x' } }

const cases: [Plugin, title: string, PodShape, ClusterChange, boolean][] = [
  [nodeResourcesFit(), 'a node that is large enough', { cpu: '2' }, added(), true],
  [nodeResourcesFit(), 'one that is too small', { cpu: '9' }, added(), false],
  [nodeResourcesFit(), 'one that grew enough', { cpu: '4' }, changed({ cpu: '2' }, { cpu: '4' }), true],
  [nodeResourcesFit(), 'one that grew too little', { cpu: '4' }, changed({ cpu: '2' }, { cpu: '3' }), false],
  [nodeResourcesFit(), 'one that is what it was', { cpu: '4' }, changed({}, taint('k')), false],
  [nodeResourcesFit(), 'one with too few devices', gpu, added({ more: { 'example.com/gpu': '1' } }), false],
  [nodeResourcesFit(), 'one with devices', gpu, added({ more: { 'example.com/gpu': '2' } }), true],
  [nodeResourcesFit(), 'a pod that is gone', { cpu: '4' }, gone({ cpu: '1' }), true],
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
  [NodePorts, 'a pod that had its port', port(80), gone(port(80)), true],
  [NodePorts, 'a pod that had another', port(80), gone(port(81)), false],
]
for (const [plugin, title, pod, change, expected] of cases) {
  test(`${plugin.name} ${expected ? 'wakes' : 'lets wait'} a pod for ${title}`, () => {
    assert.equal(plugin.helps!(change, podInfoOf(podOf('p', pod))), expected)
  })
}
