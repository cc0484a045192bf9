import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { AuthenticationTokenRequest, Binding, Eviction } from '#api/generated/types.ts'
import { CertificateSigningRequest } from '#api/kinds/certificates/certificate-signing-request.ts'
import { SelfSubjectAccessReview } from '#api/kinds/authorization/self-subject-access-review.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { IPAddress } from '#api/kinds/networking/ip-address.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { RoleBinding } from '#api/kinds/rbac/role-binding.ts'
import type { Status } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { createMemoryStore } from '#store/memory.ts'
import { createApiServer } from './api-server.ts'
import { clusterExtensions } from './cluster-extensions.ts'
import { ensurePki } from './pki/pki.ts'

const MASTERS = ['system:masters', 'system:authenticated']

async function fixture(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'cluster-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const pki = await ensurePki({ directory, clock: systemClock, random: systemRandom, hostName: 'boat' })
  const store = createMemoryStore()
  const start = async () => {
    const server = createApiServer({
      store,
      extensions: (context) => clusterExtensions(context, { pki, serviceCidr: '10.96.0.0/12', advertiseAddress: '192.0.2.1', port: 6443 }),
    })
    const running = await server.start(new AbortController().signal)
    t.after(() => running[Symbol.asyncDispose]())
    return server
  }
  const server = await start()
  t.after(() => store[Symbol.asyncDispose]())
  const admin = server.clientFor({ username: 'admin', groups: MASTERS })
  await admin.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
  const as = (username: string, ...groups: string[]) => server.clientFor({ username, groups: [...groups, 'system:authenticated'] })
  const send = async (path: string, headers: Record<string, string>) => {
    const { status, json } = await server.handle({ method: 'GET', path, headers })
    return { status, body: json }
  }
  return { server, store, start, admin, as, send }
}

const metadata = { name: 'p', namespace: 'default' }
const createPod = (client: Client, more = {}) =>
  client.create<Pod>(Pod, { metadata: { ...metadata, labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] }, ...more })
const bindTo = (client: Client, node: string) =>
  client.create<Pod, Binding>(Pod, { metadata, target: { kind: 'Node', name: node } }, { ...metadata, subresource: 'binding' })
const evict = (client: Client) => client.create<Pod, Eviction>(Pod, { metadata }, { ...metadata, subresource: 'eviction' })

test('clusterExtensions write nothing on a second start', async (t) => {
  const { store, start } = await fixture(t)
  const before = store.revision()
  await start()
  assert.equal(store.revision(), before)
})

test('clusterExtensions give services addresses and take them back', async (t) => {
  const { admin } = await fixture(t)
  const ports = [{ port: 80 }]
  const made: Service = await admin.create<Service>(Service, {
    metadata: { name: 's', namespace: 'default' },
    spec: { type: 'NodePort', ports },
  })
  const address = made.spec!.clusterIP!
  assert.ok(made.spec!.ports![0]!.nodePort! >= 30086)
  const taken = { clusterIP: '10.96.0.1', ports }
  await assert.rejects(admin.create(Service, { metadata: { name: 'u', namespace: 'default' }, spec: taken }), {
    reason: 'Invalid',
    message:
      'Service "u" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: provided IP is already allocated',
  })
  await admin.delete(Service, { namespace: 'default', name: 's' })
  const again = await admin.create(Service, { metadata: { name: 'v', namespace: 'default' }, spec: { clusterIP: address, ports } })
  assert.equal(again.spec!.clusterIP, address)
  assert.equal((await admin.get(IPAddress, { name: address })).spec?.parentRef?.name, 'v')
})

test('clusterExtensions take Endpoints along with the service of their name, but for a dry run', async (t) => {
  const { admin } = await fixture(t)
  const web = { namespace: 'default', name: 'web' }
  const create = async () => {
    await admin.create<Service>(Service, { metadata: { ...web }, spec: { ports: [{ port: 80 }] } })
  }
  const written = { metadata: { ...web }, subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }] }
  await create()
  await admin.create(Endpoints, written)
  await admin.delete(Service, web, { dryRun: true })
  await admin.get(Endpoints, web)
  await admin.delete(Service, web)
  await create()
  await assert.rejects(admin.get(Endpoints, web), { reason: 'NotFound' })
})

test('podBinding binds once, as no new generation', async (t) => {
  const { admin } = await fixture(t)
  await createPod(admin)
  assert.equal(((await bindTo(admin, 'n1')) as unknown as Status).status, 'Success')
  const pod = await admin.get(Pod, metadata)
  assert.deepEqual([pod.spec!.nodeName, pod.metadata!.generation], ['n1', 1])
  assert.equal(pod.status!.conditions!.find(({ type }) => type === 'PodScheduled')?.status, 'True')
  await assert.rejects(bindTo(admin, 'n2'), {
    reason: 'Conflict',
    message: 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
  })
})

async function budgeted(t: TestContext, disruptionsAllowed: number) {
  const given = await fixture(t)
  await createPod(given.admin)
  await bindTo(given.admin, 'n1')
  const ready = { type: 'Ready', status: 'True' }
  await given.server.writer.modify(Pod, metadata, (pod) => void (pod.status = { ...pod.status, phase: 'Running', conditions: [ready] }), {
    subresource: 'status',
  })
  const key = { namespace: 'default', name: 'b' }
  await given.admin.create(PodDisruptionBudget, { metadata: key, spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } } })
  const status = { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1, observedGeneration: 1 }
  await given.server.writer.modify(PodDisruptionBudget, key, (budget) => void (budget.status = status), { subresource: 'status' })
  return { ...given, budget: () => given.admin.get(PodDisruptionBudget, key) }
}

test('podEviction keeps to the disruption budget', async (t) => {
  const { admin } = await budgeted(t, 0)
  await assert.rejects(evict(admin), (error: any) => {
    assert.deepEqual(
      [error.reason, error.code, error.message],
      ['TooManyRequests', 429, "Cannot evict pod as it would violate the pod's disruption budget."],
    )
    assert.deepEqual(error.details.causes, [
      { reason: 'DisruptionBudget', message: 'The disruption budget b needs 1 healthy pods and has 1 currently' },
    ])
    return true
  })
  assert.equal((await admin.get(Pod, metadata)).metadata!.deletionTimestamp, undefined)
})

test('podEviction charges the budget and ends the pod', async (t) => {
  const { admin, budget } = await budgeted(t, 1)
  await evict(admin)
  const { status } = await budget()
  assert.deepEqual([status!.disruptionsAllowed, Object.keys(status!.disruptedPods!)], [0, ['p']])
  const pod = await admin.get(Pod, metadata)
  assert.ok(pod.metadata!.deletionTimestamp)
  assert.equal(pod.status!.conditions!.find(({ type }) => type === 'DisruptionTarget')?.reason, 'EvictionByEvictionAPI')
})

test('podEviction names its pod, and goes by the preconditions and the dry run that are asked for', async (t) => {
  const { admin, budget } = await budgeted(t, 1)
  const asked = (eviction: Eviction, options = {}) =>
    admin.create<Pod, Eviction>(Pod, eviction, { ...metadata, subresource: 'eviction', ...options })
  const { uid, resourceVersion } = (await admin.get(Pod, metadata)).metadata!
  const refusals: [eviction: Eviction, options: object, message: string][] = [
    [{}, {}, 'name in URL does not match name in Eviction object'],
    [{ metadata: { name: 'q' } }, {}, 'name in URL does not match name in Eviction object'],
    [
      { metadata, deleteOptions: { preconditions: { uid: 'x' } } },
      {},
      `Operation cannot be fulfilled on Pod "p": the UID in the precondition (x) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    ],
    [
      { metadata, deleteOptions: { preconditions: { resourceVersion: '1' } } },
      {},
      `Operation cannot be fulfilled on Pod "p": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
    ],
    [
      { metadata, deleteOptions: { dryRun: ['x'] } },
      { dryRun: true },
      'Non-matching dry-run options in request and content: [All] and [x]',
    ],
  ]
  refusals.push(
    [
      { metadata, deleteOptions: { propagationPolicy: 'Sideways' } },
      {},
      'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Background", "Foreground", "Orphan", "nil"',
    ],
    [
      { metadata, deleteOptions: { dryRun: ['x'] } },
      {},
      'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All"',
    ],
  )
  refusals.push([
    { metadata: { name: 'p', namespace: 'other' } },
    {},
    'the namespace of the provided object does not match the namespace sent on the request',
  ])
  for (const [eviction, options, message] of refusals) await assert.rejects(asked(eviction, options), { message })
  await asked({ metadata, deleteOptions: { dryRun: ['All'] } })
  assert.deepEqual(
    [(await admin.get(Pod, metadata)).metadata!.resourceVersion, (await budget()).status!.disruptionsAllowed],
    [resourceVersion, 1],
  )
  await asked({ metadata, deleteOptions: { preconditions: { uid: uid!, resourceVersion: resourceVersion! } } })
  const pod = await admin.get(Pod, metadata)
  assert.ok(pod.metadata!.deletionTimestamp)
  assert.equal(pod.status!.conditions!.find(({ type }) => type === 'DisruptionTarget')?.observedGeneration, 1)
})

test('podEviction asks no budget for a pod that has ended, but says why it goes', async (t) => {
  const { admin, server } = await budgeted(t, 0)
  await server.writer.modify(Pod, metadata, (pod) => {
    pod.metadata!.finalizers = ['example.com/kept']
  })
  await server.writer.modify(Pod, metadata, (pod) => void (pod.status!.phase = 'Failed'), { subresource: 'status' })
  await evict(admin)
  const pod = await admin.get(Pod, metadata)
  assert.ok(pod.metadata!.deletionTimestamp)
  assert.equal(pod.status!.conditions!.find(({ type }) => type === 'DisruptionTarget')?.reason, 'EvictionByEvictionAPI')
})

test('podEviction refuses a pod of two budgets', async (t) => {
  const { admin } = await budgeted(t, 1)
  await admin.create(PodDisruptionBudget, {
    metadata: { namespace: 'default', name: 'c' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
  })
  await assert.rejects(evict(admin), {
    code: 500,
    message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
  })
})

test('podBinding refuses what was meant for another pod', async (t) => {
  const { admin } = await fixture(t)
  const { uid } = (await createPod(admin)).metadata!
  const bind = (binding: Binding) => admin.create<Pod, Binding>(Pod, binding, { ...metadata, subresource: 'binding' })
  const target = { kind: 'Node', name: 'n1' }
  await assert.rejects(bind({ target }), { message: 'name in URL does not match name in Binding object' })
  await assert.rejects(bind({ metadata: { ...metadata, uid: 'x' }, target }), {
    reason: 'Conflict',
    message: `Operation cannot be fulfilled on pods "p": StorageError: invalid object, Code: 4, Key: /registry/pods/default/p, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: ${uid}`,
  })
  await assert.rejects(bind({ metadata, target: { kind: 'Pod', name: '' } }), {
    message: '[target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>", target.name: Required value]',
  })
})

const askToken = (client: Client, spec: AuthenticationTokenRequest['spec'], more: Partial<AuthenticationTokenRequest> = {}) =>
  client.create<ServiceAccount, AuthenticationTokenRequest>(
    ServiceAccount,
    { ...more, spec: spec! },
    { namespace: 'default', name: 'default', subresource: 'token' },
  )

const claimsOf = (token = '') => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())

test('serviceAccountToken is for the account that was meant, and lives longer only with its pod', async (t) => {
  const { admin } = await fixture(t)
  const pod = await createPod(admin)
  await bindTo(admin, 'gone')
  const { uid } = (await admin.get(ServiceAccount, { namespace: 'default', name: 'default' })).metadata!
  await assert.rejects(askToken(admin, {}, { metadata: { name: 'other' } }), {
    message:
      'TokenRequest.authentication.k8s.io "default" is invalid: metadata.name: Invalid value: "other": must match the service account name if specified',
  })
  await assert.rejects(askToken(admin, {}, { metadata: { uid: 'x' } }), {
    message: `Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "default": the UID in the token request (x) does not match the UID of the service account (${uid})`,
  })
  await assert.rejects(askToken(admin, { boundObjectRef: { kind: 'Pod', name: 'p', uid: 'x' } }), {
    message:
      'Operation cannot be fulfilled on Pod "p": the UID in the bound object reference (x) does not match the UID in record. The object might have been deleted and then recreated',
  })
  const free = claimsOf((await askToken(admin, { expirationSeconds: 3607 })).status!.token)
  assert.equal(free.exp - free.iat, 3607)
  const bound = claimsOf((await askToken(admin, { expirationSeconds: 3607, boundObjectRef: { kind: 'Pod', name: 'p' } })).status!.token)
  assert.equal(bound.exp - bound.iat, 365 * 24 * 3600)
  assert.deepEqual([bound['kubernetes.io'].pod, bound['kubernetes.io'].node], [{ name: 'p', uid: pod.metadata!.uid }, { name: 'gone' }])
})

test('serviceAccountToken lets its bearer in, as far as roles go, and as long as its pod is there', async (t) => {
  const { admin, send } = await fixture(t)
  const pod = await createPod(admin)
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: pod.metadata!.uid! }
  const { status, spec } = await askToken(admin, { boundObjectRef, expirationSeconds: 3607 })
  assert.equal(spec!.expirationSeconds, 3607)
  const headers = { authorization: `Bearer ${status!.token}` }
  const path = '/api/v1/namespaces/default/configmaps'
  const refused = await send(path, headers)
  assert.deepEqual(
    [refused.status, refused.body.message],
    [
      403,
      'configmaps is forbidden: User "system:serviceaccount:default:default" cannot list resource "configmaps" in API group "" in the namespace "default"',
    ],
  )
  await admin.create(RoleBinding, {
    metadata: { name: 'v', namespace: 'default' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }],
  })
  assert.equal((await send(path, headers)).status, 200)
  assert.equal((await send('/api/v1/secrets', headers)).status, 403)
  await admin.delete(Pod, metadata, { gracePeriodSeconds: 0 })
  assert.equal((await send(path, headers)).status, 401)
})

test('serviceAccountToken refuses what cannot be bound', async (t) => {
  const { admin } = await fixture(t)
  await assert.rejects(askToken(admin, { expirationSeconds: 10 }), {
    message: /spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes/,
  })
  await assert.rejects(askToken(admin, { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'no' } }), {
    message: 'pods "no" not found',
  })
  await assert.rejects(askToken(admin, { boundObjectRef: { apiVersion: 'v1', kind: 'Service', name: 'no' } }), { reason: 'BadRequest' })
})

test('reviews go without the metadata that only the server says, and without a namespace there is none for', async (t) => {
  const { admin } = await fixture(t)
  const spec = { resourceAttributes: { verb: 'get', resource: 'pods' } }
  const kept = { uid: 'x', creationTimestamp: '2020-01-01T00:00:00Z', namespace: 'default' }
  const { status } = await admin.create<SelfSubjectAccessReview>(SelfSubjectAccessReview, { metadata: kept, spec })
  assert.equal(status!.allowed, true)
  await assert.rejects(admin.create<SelfSubjectAccessReview>(SelfSubjectAccessReview, { metadata: { name: 'x' }, spec }), {
    message: /metadata: Invalid value: .*: must be empty$/,
  })
})

test('kubelets read and write what is theirs alone', async (t) => {
  const { admin, as } = await fixture(t)
  await admin.create(Secret, { metadata: { name: 's', namespace: 'default' } })
  const kubelet = (name: string) => as(`system:node:${name}`, 'system:nodes')
  await kubelet('n1').create(Node, { metadata: { name: 'n1' } })
  await assert.rejects(kubelet('n1').create(Node, { metadata: { name: 'n2' } }), {
    message: /node "n1" is not allowed to modify node "n2"/,
  })
  const volumes = [{ name: 'v', secret: { secretName: 's' } }]
  await createPod(admin, { spec: { volumes, containers: [{ name: 'c', image: 'i' }] } })
  const read = (name: string) => kubelet(name).get(Secret, { namespace: 'default', name: 's' })
  await assert.rejects(read('n1'), { reason: 'Forbidden', message: /no relationship found between node 'n1' and this object/ })
  await bindTo(admin, 'n1')
  assert.equal((await read('n1')).metadata!.name, 's')
  await assert.rejects(read('n2'), { reason: 'Forbidden' })
})

test('users hand out no rights they do not hold', async (t) => {
  const { admin, as } = await fixture(t)
  const bind = (role: string, user: string): RoleBinding => ({
    metadata: { name: `${role}-${user}`, namespace: 'default' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  })
  await admin.create(RoleBinding, bind('admin', 'anna'))
  await as('anna').create(RoleBinding, bind('view', 'bert'))
  await as('bert').list(ConfigMap, { namespace: 'default' })
  await assert.rejects(as('anna').create(RoleBinding, bind('cluster-admin', 'anna')), {
    reason: 'Forbidden',
    message: /attempting to grant RBAC permissions not currently held/,
  })
})

test('namespaces that are needed stay, others are not created into when missing', async (t) => {
  const { admin } = await fixture(t)
  await assert.rejects(admin.delete(Namespace, { name: 'default' }), {
    message: 'namespaces "default" is forbidden: this namespace may not be deleted',
  })
  await assert.rejects(admin.create(ConfigMap, { metadata: { name: 'c', namespace: 'no' } }), { message: 'namespaces "no" not found' })
})

test('certificate requests are approved by those who may', async (t) => {
  const { admin, as } = await fixture(t)
  const { Pkcs10CertificateRequestGenerator } = await import('reflect-metadata').then(() => import('@peculiar/x509'))
  const curve = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const request = async (name: string) => {
    const keys = await crypto.subtle.generateKey(curve, true, ['sign', 'verify'])
    const pem = (await Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: curve })).toString('pem')
    const spec = {
      request: Buffer.from(`${pem}\n`).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
    }
    return admin.create<CertificateSigningRequest>(CertificateSigningRequest, { metadata: { name: 'r' }, spec })
  }
  await assert.rejects(request('O=system:masters,CN=eve'), { message: /system:masters group is not allowed/ })
  const made = await request('O=crew,CN=anna')
  const conditions = [{ type: 'Approved', status: 'True', reason: 'ok', message: 'ok' }]
  const approved = { ...made, status: { ...made.status, conditions } } as CertificateSigningRequest
  await assert.rejects(as('anna').update(CertificateSigningRequest, approved, { subresource: 'approval' }), { reason: 'Forbidden' })
  const done = await admin.update(CertificateSigningRequest, approved, { subresource: 'approval' })
  assert.deepEqual(
    done.status?.conditions?.map(({ type }) => type),
    ['Approved'],
  )
})
