import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import type { KubeObject } from '#api/object.ts'
import { MemoryReader } from '#server/access/memory-reader.ts'
import { attributesOf } from '#server/attributes.ts'
import type { AdmissionRequest, ServerContext } from '#server/request.ts'
import { nodeRestriction } from './node-restriction.ts'

const pod = (nodeName: string, more = {}, annotations = {}): Pod => ({
  metadata: { name: 'p', namespace: 'x', uid: 'u1', annotations },
  spec: { nodeName, containers: [{ name: 'c' }], serviceAccountName: 'sa', ...more },
})
const OWNER = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'u-n1', controller: true }
const mirror = (nodeName: string, more = {}, ownerReferences: object[] = [OWNER]) => {
  const { metadata, spec } = pod(nodeName, more, { 'kubernetes.io/config.mirror': 'x' })
  delete spec!.serviceAccountName
  return { metadata: { ...metadata, ownerReferences }, spec: { ...spec, ...more } } as Pod
}
const withVolume = (source: object): Attempt => ({ kind: Pod, object: mirror('n1', { volumes: [{ name: 'v', ...source }] }) })
const ownedBy = (...owners: object[]): Attempt => ({ kind: Pod, object: mirror('n1', {}, owners) })
const status = (before: object, after: object): Attempt => ({
  kind: Pod,
  subresource: 'status',
  operation: 'UPDATE',
  object: { ...pod('n1'), status: after } as Pod,
  oldObject: { ...pod('n1'), status: before } as Pod,
})
const slice = (nodeName: string): ResourceSlice => ({
  metadata: { name: 's' },
  spec: { driver: 'd', nodeName, pool: { name: 'p', generation: 1, resourceSliceCount: 1 } },
})
const claim = (metadata: object, more: object): PersistentVolumeClaim => ({
  metadata: { name: 'c', namespace: 'x', ...metadata },
  spec: { accessModes: ['ReadWriteOnce'] },
  status: more,
})
const claimStatus = (next: PersistentVolumeClaim): Attempt => ({
  kind: PersistentVolumeClaim,
  subresource: 'status',
  operation: 'UPDATE',
  object: next,
  oldObject: claim({ resourceVersion: '5' }, { phase: 'Bound', capacity: { storage: '1Gi' } }),
})
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
  reader.put(Node, { metadata: { name: 'n1', uid: 'u-n1' } })
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
  ['what becomes of its pod', status({}, { phase: 'Running', resourceClaimStatuses: [] })],
  [
    'the growth of a claim',
    claimStatus(claim({}, { phase: 'Bound', capacity: { storage: '2Gi' }, conditions: [], allocatedResources: {} })),
  ],
  ['slices of its devices', { kind: ResourceSlice, object: slice('n1') }],
  ['the end of such a slice', { kind: ResourceSlice, operation: 'DELETE', oldObject: slice('n1') }],
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
  [withVolume({ projected: { sources: [{ secret: { name: 's' } }] } }), /reference secrets$/],
  [withVolume({ configMap: { name: 's' } }), /reference configmaps$/],
  [withVolume({ persistentVolumeClaim: { claimName: 's' } }), /reference persistentvolumeclaims$/],
  [withVolume({ ephemeral: {} }), /reference persistentvolumeclaims \(via ephemeral volumes\)$/],
  [withVolume({ csi: { driver: 'd' } }), /reference csidrivers \(via CSI volumes\)$/],
  [withVolume({ projected: { sources: [{ serviceAccountToken: {} }] } }), /reference serviceaccounts \(via projected volumes\)$/],
  [withVolume({ projected: { sources: [{ clusterTrustBundle: {} }] } }), /reference clustertrustbundles$/],
  [withVolume({ projected: { sources: [{ podCertificate: {} }] } }), /reference podcertificates$/],
  [{ kind: Pod, object: mirror('n1', { serviceAccountName: 'sa' }) }, /reference serviceaccounts$/],
  [{ kind: Pod, object: mirror('n1', { imagePullSecrets: [{ name: 's' }] }) }, /reference secrets$/],
  [{ kind: Pod, object: mirror('n1', { resourceClaims: [{ name: 's' }] }) }, /reference resourceclaims$/],
  [ownedBy(), /node "n1" can only create pods with an owner reference set to itself/],
  [ownedBy({ ...OWNER, name: 'n2' }), /with an owner reference set to itself/],
  [ownedBy(OWNER, OWNER), /with a single owner reference set to itself/],
  [ownedBy({ ...OWNER, controller: false }), /with a controller owner reference set to itself/],
  [ownedBy({ ...OWNER, blockOwnerDeletion: true }), /node "n1" must not set blockOwnerDeletion on an owner reference/],
  [ownedBy({ ...OWNER, uid: 'old' }), /node n1 UID mismatch: expected old got u-n1/],
  [status({}, { resourceClaimStatuses: [{ name: 'a', resourceClaimName: 'b' }] }), /node "n1" cannot update resource claim statues/],
  [status({}, { extendedResourceClaimStatus: { resourceClaimName: 'b' } }), /cannot update extended resource claim status/],
  [
    { kind: Pod, subresource: 'binding', object: pod('n1') },
    /unexpected pod subresource "binding", only 'status' and 'eviction' are allowed/,
  ],
  [claimStatus(claim({ labels: { a: 'b' } }, { phase: 'Bound' })), /not allowed to update fields other than status.quantity and/],
  [claimStatus(claim({}, { phase: 'Lost' })), /not allowed to update fields other than status.quantity and status.conditions/],
  [{ kind: PersistentVolumeClaim, object: claim({}, {}) }, /may only update PVC status/],
  [{ kind: ResourceSlice, object: slice('n2') }, /can only create ResourceSlice with the same NodeName as the requesting node/],
  [{ kind: ResourceSlice, operation: 'DELETE', oldObject: slice('n2') }, /can only delete ResourceSlice with the same NodeName/],
  [
    { kind: Node, object: { metadata: { name: 'n1' }, spec: { configSource: {} } } as Node },
    /node "n1" is not allowed to create pods with a non-nil configSource/,
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
    message: /audience "other" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience$/,
  })
  await assert.rejects(async () => forAudience(['vault', 'other'])(), { message: /node may only request 0 or 1 audiences$/ })
  await assert.doesNotReject(async () => forAudience(['other'], 'request-serviceaccounts-token-audience other')())
})

async function requestFor(commonName: string, signerName: string): Promise<CertificateSigningRequest> {
  await import('reflect-metadata')
  const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const pem = (await Pkcs10CertificateRequestGenerator.create({ name: `CN=${commonName}`, keys, signingAlgorithm: algorithm })).toString(
    'pem',
  )
  return { metadata: { name: 'r' }, spec: { signerName, usages: [], request: Buffer.from(pem).toString('base64') } }
}

test('NodeRestriction lets nodes ask for certificates of their own name', async () => {
  const asked = async (name: string, signer: string) => attempt({ kind: CertificateSigningRequest, object: await requestFor(name, signer) })
  await assert.doesNotReject(() => asked('system:node:n1', 'kubernetes.io/kubelet-serving'))
  await assert.doesNotReject(() => asked('anything', 'kubernetes.io/kube-apiserver-client'))
  for (const signer of ['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet'])
    await assert.rejects(() => asked('system:node:n2', signer), { message: /can only create a node CSR with CN=system:node:n1$/ })
})
