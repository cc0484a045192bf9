import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import type { KubeObject } from '#api/object.ts'
import { MemoryReader } from '#server/access/memory-reader.ts'
import { attributesOf } from '#server/attributes.ts'
import type { AdmissionRequest, ServerContext } from '#server/request.ts'
import { nodeRestriction } from './node-restriction.ts'

const pod = (nodeName: string, more = {}, annotations = {}): Pod => ({
  metadata: { name: 'p', namespace: 'x', uid: 'u1', annotations },
  spec: { nodeName, containers: [{ name: 'c' }], serviceAccountName: 'sa', ...more },
})
const mirror = (nodeName: string, more = {}) => {
  const { metadata, spec } = pod(nodeName, more, { 'kubernetes.io/config.mirror': 'x' })
  delete spec!.serviceAccountName
  return { metadata, spec: { ...spec, ...more } } as Pod
}
const node = (name: string, labels = {}, taints: object[] = []): Node => ({ metadata: { name, labels }, spec: { taints } }) as Node
const token = (uid: string, audiences: string[] = []) => ({
  metadata: { name: 'sa', namespace: 'x' },
  spec: { audiences, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid } },
})
const volumes = [
  {
    name: 't',
    projected: { sources: [{ serviceAccountToken: { path: 't' } }, { serviceAccountToken: { path: 'v', audience: 'vault' } }] },
  },
]

type Attempt = {
  kind: Kind<any>
  subresource?: string
  operation?: AdmissionRequest['operation']
  object?: KubeObject
  oldObject?: KubeObject
}

function attempt({ kind, subresource = '', operation = 'CREATE', object, oldObject }: Attempt, podNode = 'n1', allowed = '') {
  const reader = new MemoryReader()
  reader.put(Pod, pod(podNode, { volumes }))
  const plugin = nodeRestriction({ reader } as unknown as ServerContext, {
    authorize: ({ verb, resource }) => ({ allowed: `${verb} ${resource}` === allowed, reason: '' }),
  })
  const { name, namespace } = (object ?? oldObject)?.metadata ?? {}
  const user = { username: 'system:node:n1', groups: ['system:nodes'] }
  const attributes = attributesOf(kind, { user, verb: '', subresource, namespace, name })
  return plugin.admit!({
    attributes,
    operation,
    kind,
    dryRun: false,
    warn() {},
    ...(object ? { object } : {}),
    ...(oldObject ? { oldObject } : {}),
  })
}

const FINE: [title: string, attempt: Attempt][] = [
  ['its own node', { kind: Node, object: node('n1', { 'kubernetes.io/hostname': 'n1', 'node.kubernetes.io/x': 'y', own: 'z' }) }],
  ['its own status', { kind: Node, subresource: 'status', operation: 'UPDATE', object: node('n1'), oldObject: node('n1') }],
  ['its own lease', { kind: Lease, object: { metadata: { name: 'n1', namespace: 'kube-node-lease' } } }],
  ['a mirror pod', { kind: Pod, object: mirror('n1') }],
  ['the end of its pod', { kind: Pod, operation: 'DELETE', oldObject: pod('n1') }],
  ['the status of its pod', { kind: Pod, subresource: 'status', operation: 'UPDATE', object: pod('n1'), oldObject: pod('n1') }],
  ['a token of its pod', { kind: ServiceAccount, subresource: 'token', object: token('u1') }],
]

test("NodeRestriction accepts what is the node's own", async () => {
  for (const [title, one] of FINE) await assert.doesNotReject(async () => attempt(one), title)
})

const REFUSED: [attempt: Attempt, message: RegExp][] = [
  [{ kind: Node, object: node('n2') }, /node "n1" is not allowed to modify node "n2"/],
  [
    { kind: Node, object: node('n1', { 'node-role.kubernetes.io/control-plane': '' }) },
    /not allowed to set the following labels: node-role/,
  ],
  [
    { kind: Node, operation: 'UPDATE', object: node('n1', { 'x.k8s.io/a': 'b' }), oldObject: node('n1') },
    /is not allowed to modify labels: x.k8s.io\/a/,
  ],
  [
    { kind: Node, operation: 'UPDATE', object: node('n1'), oldObject: node('n1', {}, [{ key: 'a' }]) },
    /node "n1" is not allowed to modify taints/,
  ],
  [{ kind: Lease, object: { metadata: { name: 'n2', namespace: 'kube-node-lease' } } }, /same name as the requesting node/],
  [{ kind: Lease, object: { metadata: { name: 'n1', namespace: 'x' } } }, /kube-node-lease/],
  [{ kind: Pod, object: pod('n1') }, /node "n1" can only create mirror pods/],
  [{ kind: Pod, object: mirror('n2') }, /node "n1" can only create pods with spec.nodeName set to itself/],
  [
    { kind: Pod, object: mirror('n1', { volumes: [{ name: 'v', secret: { secretName: 's' } }] }) },
    /can not create pods that reference secrets/,
  ],
  [{ kind: Pod, operation: 'DELETE', oldObject: pod('n2') }, /node "n1" can only delete pods with spec.nodeName set to itself/],
  [
    { kind: Pod, subresource: 'status', operation: 'UPDATE', object: pod('n2'), oldObject: pod('n2') },
    /can only update pod status for pods/,
  ],
  [{ kind: Pod, operation: 'UPDATE', object: pod('n1'), oldObject: pod('n1') }, /unexpected operation "UPDATE"/],
  [{ kind: ServiceAccount, subresource: 'token', object: token('u2') }, /does not match the UID in record/],
  [{ kind: ServiceAccount, subresource: 'token', object: { metadata: { name: 'sa', namespace: 'x' } } }, /not bound to a pod/],
]

test('NodeRestriction refuses everything else', async () => {
  for (const [one, message] of REFUSED) await assert.rejects(async () => attempt(one), { reason: 'Forbidden', message })
})

test('NodeRestriction gives no token for pods elsewhere', async () => {
  await assert.rejects(
    async () => attempt({ kind: ServiceAccount, subresource: 'token', object: token('u1') }, 'n2'),
    /scheduled on a different node/,
  )
})

test('NodeRestriction gives tokens for audiences that volumes of the pod name, or that a right names', async () => {
  const forAudience = (audiences: string[], allowed?: string) => () =>
    attempt({ kind: ServiceAccount, subresource: 'token', object: token('u1', audiences) }, 'n1', allowed)
  await assert.doesNotReject(async () => forAudience(['vault'])())
  await assert.rejects(async () => forAudience(['other'])(), {
    reason: 'Forbidden',
    message: /audience "other" not found in pod spec volume$/,
  })
  await assert.rejects(async () => forAudience(['vault', 'other'])(), { message: /node may only request 0 or 1 audiences$/ })
  await assert.doesNotReject(async () => forAudience(['other'], 'request-serviceaccounts-token-audience other')())
})
