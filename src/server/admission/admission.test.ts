import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { LimitRange } from '#api/kinds/core/limit-range.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Node } from '#api/kinds/core/node.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { RuntimeClass } from '#api/kinds/node/runtime-class.ts'
import { PriorityClass } from '#api/kinds/scheduling/priority-class.ts'
import { StorageClass } from '#api/kinds/storage/storage-class.ts'
import type { KubeObject } from '#api/object.ts'
import { systemClock } from '#lib/clock.ts'
import { silentLogger } from '#lib/log.ts'
import { seededRandom } from '#lib/random.ts'
import { MemoryReader, nobodyCalled, noKinds } from '#server/access/memory-reader.ts'
import { attributesOf } from '#server/attributes.ts'
import type { AdmissionRequest, ServerContext } from '#server/request.ts'
import type { AdmissionOptions } from './admission-configuration.ts'
import { admissionPlugins } from './plugins.ts'

function unused(): never {
  throw new Error('not used')
}

function fixture(options: AdmissionOptions = {}) {
  const reader = new MemoryReader()
  reader.put(Namespace, { metadata: { name: 'x' } })
  reader.put(ServiceAccount, { metadata: { name: 'default', namespace: 'x' }, imagePullSecrets: [{ name: 'pull' }] })
  const writer: ServerContext['writer'] = {
    create: unused,
    async modify(kind, key, change, { dryRun } = {}) {
      const copy = structuredClone(reader.get(kind, key)!)
      change(copy)
      if (!dryRun) reader.put(kind, copy)
      return copy
    },
    delete: unused,
  }
  const clock = { ...systemClock, sleep: async () => {} }
  const context: ServerContext = {
    reader,
    writer,
    clientFor: unused,
    clock,
    random: seededRandom(3),
    log: silentLogger,
    url: unused,
    registry: noKinds(),
    outgoing: nobodyCalled,
  }
  const plugins = admissionPlugins(context, { authorize: () => ({ allowed: false, reason: '' }) }, { options })
  const admit = async <T extends KubeObject>(kind: Kind<T>, object: T | undefined, more: Partial<AdmissionRequest> & Attributes = {}) => {
    const { subresource = '', user = { username: 'anna', groups: [] }, ...rest } = more
    const place = object?.metadata ?? more.oldObject?.metadata
    const namespace = kind.scope === 'Namespaced' ? place?.namespace : ''
    const attributes = attributesOf(kind, { user, verb: 'create', subresource, namespace, name: place?.name })
    const own = object ? { object } : {}
    const request: AdmissionRequest = {
      attributes,
      operation: 'CREATE',
      kind: kind as unknown as Kind,
      dryRun: false,
      warn() {},
      ...own,
      ...rest,
    }
    for (const plugin of plugins) await plugin.admit?.(request)
    for (const plugin of plugins) await plugin.validate?.(request)
    return object!
  }
  return { reader, admit }
}

interface Attributes {
  subresource?: string
  user?: AdmissionRequest['attributes']['user']
}

const pod = (more: Partial<NonNullable<Pod['spec']>> = {}, name = 'p'): Pod => ({
  metadata: { name, namespace: 'x' },
  spec: { containers: [{ name: 'c', image: 'i' }], ...more },
})
const sized = (cpu: string, limit = cpu) => pod({ containers: [{ name: 'c', resources: { requests: { cpu }, limits: { cpu: limit } } }] })

test('ServiceAccount gives a pod its account, pull secrets and token files', async () => {
  const { admit } = fixture()
  const { spec } = await admit(PodKind, pod({ initContainers: [{ name: 'i' }] }))
  assert.deepEqual([spec!.serviceAccountName, spec!.serviceAccount, spec!.imagePullSecrets], ['default', 'default', [{ name: 'pull' }]])
  const [volume] = spec!.volumes!
  assert.match(volume!.name, /^kube-api-access-[a-z0-9]{5}$/)
  const mount = { name: volume!.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }
  assert.deepEqual(
    [...spec!.containers, ...spec!.initContainers!].map(({ volumeMounts }) => volumeMounts),
    [[mount], [mount]],
  )
})

test('ServiceAccount leaves the token out where pod or account say so', async () => {
  const { reader, admit } = fixture()
  assert.equal((await admit(PodKind, pod({ automountServiceAccountToken: false }))).spec!.volumes, undefined)
  reader.put(ServiceAccount, { metadata: { name: 'shy', namespace: 'x' }, automountServiceAccountToken: false })
  assert.equal((await admit(PodKind, pod({ serviceAccountName: 'shy' }))).spec!.volumes, undefined)
  assert.equal((await admit(PodKind, pod({ serviceAccountName: 'shy', automountServiceAccountToken: true }))).spec!.volumes?.length, 1)
})

const terminating = { metadata: { name: 'old', deletionTimestamp: '2026-01-01T00:00:00Z' }, status: { phase: 'Terminating' } }
const claim = (storage: string, more = {}): PersistentVolumeClaim => ({
  metadata: { name: 'd', namespace: 'x' },
  spec: { resources: { requests: { storage } }, ...more },
  status: { phase: 'Bound' },
})

const REFUSALS: [title: string, attempt: (f: ReturnType<typeof fixture>) => Promise<unknown>, message: string][] = [
  [
    'a missing account',
    ({ admit }) => admit(PodKind, pod({ serviceAccountName: 'no' })),
    'pods "p" is forbidden: error looking up service account x/no: serviceaccount "no" not found',
  ],
  [
    'a missing namespace',
    ({ admit }) => admit(PodKind, { ...pod(), metadata: { name: 'p', namespace: 'no' } }),
    'namespaces "no" not found',
  ],
  [
    'a namespace that ends',
    ({ reader, admit }) => {
      reader.put(Namespace, terminating)
      return admit(PodKind, { ...pod(), metadata: { name: 'p', namespace: 'old' } })
    },
    'pods "p" is forbidden: unable to create new content in namespace old because it is being terminated',
  ],
  [
    'the end of a namespace the cluster needs',
    ({ admit }) => admit(Namespace, undefined, { operation: 'DELETE', oldObject: { metadata: { name: 'default' } } }),
    'namespaces "default" is forbidden: this namespace may not be deleted',
  ],
  [
    'an unknown priority class',
    ({ admit }) => admit(PodKind, pod({ priorityClassName: 'no' })),
    'pods "p" is forbidden: no PriorityClass with name no was found',
  ],
  [
    'a priority of its own',
    ({ admit }) => admit(PodKind, pod({ priority: 7 })),
    'pods "p" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
  ],
  [
    'an unknown runtime class',
    ({ admit }) => admit(PodKind, pod({ runtimeClassName: 'no' })),
    'pods "p" is forbidden: pod rejected: RuntimeClass "no" not found',
  ],
  [
    'overhead without a runtime class',
    ({ admit }) => admit(PodKind, pod({ overhead: { cpu: '1' } })),
    'pods "p" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
  ],
  [
    'more than the limit range allows',
    ({ reader, admit }) => {
      const limits = [{ type: 'Container', max: { cpu: '1' }, min: { cpu: '100m' } }]
      reader.put(LimitRange, { metadata: { name: 'l', namespace: 'x' }, spec: { limits } })
      return admit(PodKind, sized('50m', '2'))
    },
    'pods "p" is forbidden: [minimum cpu usage per Container is 100m, but request is 50m, maximum cpu usage per Container is 1, but limit is 2]',
  ],
  [
    'a claim that cannot grow',
    ({ admit }) => admit(PersistentVolumeClaim, claim('2Gi'), { operation: 'UPDATE', oldObject: claim('1Gi') }),
    'persistentvolumeclaims "d" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
  ],
]

test('admission refuses', async (t) => {
  for (const [title, attempt, message] of REFUSALS) await t.test(title, async () => assert.rejects(attempt(fixture()), { message }))
})

test('NamespaceLifecycle names the cause controllers look for', async () => {
  const { reader, admit } = fixture()
  reader.put(Namespace, terminating)
  const causes = [{ reason: 'NamespaceTerminating', message: 'namespace old is being terminated', field: 'metadata.namespace' }]
  await assert.rejects(admit(PodKind, { ...pod(), metadata: { name: 'p', namespace: 'old' } }), (error: any) => {
    assert.deepEqual(error.details.causes, causes)
    return true
  })
})

test('Priority takes number and policy from the class, or the default class', async () => {
  const { reader, admit } = fixture()
  reader.put(PriorityClass, { metadata: { name: 'high' }, value: 9, preemptionPolicy: 'Never' })
  reader.put(PriorityClass, { metadata: { name: 'usual' }, value: 3, globalDefault: true })
  const high = await admit(PodKind, pod({ priorityClassName: 'high' }))
  assert.deepEqual([high.spec!.priority, high.spec!.preemptionPolicy], [9, 'Never'])
  const usual = await admit(PodKind, pod())
  assert.deepEqual(
    [usual.spec!.priorityClassName, usual.spec!.priority, usual.spec!.preemptionPolicy],
    ['usual', 3, 'PreemptLowerPriority'],
  )
})

test('DefaultTolerationSeconds adds what is not tolerated yet', async () => {
  const { admit } = fixture()
  const own = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 7 }
  const { spec } = await admit(PodKind, pod({ tolerations: [own] }))
  assert.deepEqual(
    spec!.tolerations!.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]),
    [
      ['node.kubernetes.io/not-ready', 7],
      ['node.kubernetes.io/unreachable', 300],
    ],
  )
  assert.equal((await admit(PodKind, pod({ tolerations: [{ operator: 'Exists' }] }))).spec!.tolerations!.length, 1)
})

test('TaintNodesByCondition keeps pods off new nodes', async () => {
  const { admit } = fixture()
  const { spec } = await admit(Node, { metadata: { name: 'n' } })
  assert.deepEqual(spec!.taints, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }])
})

test('DefaultStorageClass chooses the newest default, and StorageObjectInUseProtection adds its finalizer', async () => {
  const { reader, admit } = fixture()
  const marked = { 'storageclass.kubernetes.io/is-default-class': 'true' }
  const born = (name: string, creationTimestamp: string) => ({
    metadata: { name, creationTimestamp, annotations: marked },
    provisioner: 'p',
  })
  const plain = { metadata: { name: 'plain' }, provisioner: 'p' }
  reader.put(StorageClass, born('old', '2025-01-01T00:00:00Z'), born('new', '2026-01-01T00:00:00Z'), plain)
  const made = await admit(PersistentVolumeClaim, claim('1Gi'))
  assert.deepEqual([made.spec!.storageClassName, made.metadata!.finalizers], ['new', ['kubernetes.io/pvc-protection']])
  assert.equal((await admit(PersistentVolumeClaim, claim('1Gi', { storageClassName: '' }))).spec!.storageClassName, '')
})

test('RuntimeClass brings overhead and scheduling along', async () => {
  const { reader, admit } = fixture()
  reader.put(RuntimeClass, {
    metadata: { name: 'vm' },
    handler: 'vm',
    overhead: { podFixed: { memory: '64Mi' } },
    scheduling: { nodeSelector: { vm: 'yes' }, tolerations: [{ key: 'vm', operator: 'Exists' }] },
  })
  const { spec } = await admit(PodKind, pod({ runtimeClassName: 'vm', nodeSelector: { a: 'b' } }))
  assert.deepEqual([spec!.overhead, spec!.nodeSelector], [{ memory: '64Mi' }, { a: 'b', vm: 'yes' }])
  assert.ok(spec!.tolerations!.some(({ key }) => key === 'vm'))
  const other = pod({ runtimeClassName: 'vm', nodeSelector: { vm: 'no' } })
  await assert.rejects(admit(PodKind, other), /conflict: runtimeClass.scheduling.nodeSelector\[vm\] = yes/)
})

test('LimitRanger fills in defaults and says so', async () => {
  const { reader, admit } = fixture()
  const limits = [{ type: 'Container', default: { cpu: '1', memory: '1Gi' }, defaultRequest: { cpu: '100m' } }]
  reader.put(LimitRange, { metadata: { name: 'l', namespace: 'x' }, spec: { limits } })
  const made = await admit(PodKind, pod())
  assert.deepEqual(made.spec!.containers[0]!.resources, { requests: { cpu: '100m' }, limits: { cpu: '1', memory: '1Gi' } })
  assert.equal(
    made.metadata!.annotations!['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c',
  )
})

function withQuota(hard: Record<string, string>, more = {}, options: AdmissionOptions = {}) {
  const given = fixture(options)
  given.reader.put(ResourceQuota, { metadata: { name: 'q', namespace: 'x' }, spec: { hard, ...more } })
  const used = () => given.reader.get(ResourceQuota, { namespace: 'x', name: 'q' })?.status?.used
  return { ...given, used }
}

test('ResourceQuota charges what is created and refuses what is too much', async () => {
  const { admit, reader, used } = withQuota({ 'requests.cpu': '1', pods: '3' })
  reader.put(PodKind, await admit(PodKind, sized('600m')))
  assert.deepEqual(used(), { 'requests.cpu': '600m', pods: '1' })
  await assert.rejects(admit(PodKind, { ...sized('500m'), metadata: { name: 'r', namespace: 'x' } }), {
    message: 'pods "r" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1',
  })
  assert.deepEqual(used(), { 'requests.cpu': '600m', pods: '1' })
})

test('ResourceQuota counts again before it refuses', async () => {
  const { admit, reader, used } = withQuota({ pods: '1' })
  reader.put(PodKind, await admit(PodKind, sized('1')))
  reader.remove(PodKind, { namespace: 'x', name: 'p' })
  // Each payment is a write that others notice, even where it comes to what was there.
  const written: unknown[] = []
  reader.onChange(ResourceQuota, ({ object }) => written.push(object?.status?.used?.['pods']))
  await admit(PodKind, sized('1'))
  assert.deepEqual([used(), written], [{ pods: '1' }, ['0', '1']])
})

test('ResourceQuota counts what others have paid for and not yet stored', async () => {
  const { admit, used } = withQuota({ pods: '2' })
  const named = (name: string) => ({ ...sized('1'), metadata: { name, namespace: 'x' } })
  await admit(PodKind, named('a'))
  await admit(PodKind, named('b'))
  await assert.rejects(admit(PodKind, named('c')), /exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2/)
  assert.deepEqual(used(), { pods: '2' })
})

test('ResourceQuota does not count twice what was made again under a name that is taken', async () => {
  const { admit, reader, used } = withQuota({ pods: '2' })
  const named = (name: string) => ({ ...sized('1'), metadata: { name, namespace: 'x' } })
  reader.put(PodKind, await admit(PodKind, named('a')))
  await admit(PodKind, named('a'))
  await admit(PodKind, named('b'))
  assert.deepEqual(used(), { pods: '2' })
})

test('ResourceQuota does not count what another quota has refused', async () => {
  const { admit, reader, used } = withQuota({ pods: '1' })
  reader.put(ResourceQuota, { metadata: { name: 'z', namespace: 'x' }, spec: { hard: { pods: '0' }, scopes: ['BestEffort'] } })
  const named = (name: string) => ({ ...sized('1'), metadata: { name, namespace: 'x' } })
  await assert.rejects(admit(PodKind, { ...pod(), metadata: { name: 'a', namespace: 'x' } }), /exceeded quota: z/)
  assert.deepEqual(used(), { pods: '0' })
  reader.put(PodKind, await admit(PodKind, named('b')))
  reader.remove(PodKind, { namespace: 'x', name: 'b' })
  await admit(PodKind, named('c'))
  assert.deepEqual(used(), { pods: '1' })
})

test('ResourceQuota keeps what was paid for when the controller, who does not see it yet, has counted', async () => {
  const { admit, reader, used } = withQuota({ pods: '3', 'count/elsewhere.example.com': '9' })
  const named = (name: string) => ({ ...sized('1'), metadata: { name, namespace: 'x' } })
  await admit(PodKind, named('paid'))
  reader.put(PodKind, await admit(PodKind, named('stored')))
  const before = reader.get(ResourceQuota, { namespace: 'x', name: 'q' })!
  const counted = async (username: string) => {
    const status = { ...before.status, used: { pods: '0', 'count/elsewhere.example.com': '4' } }
    const user = { username, groups: [] }
    return (await admit(ResourceQuota, { ...before, status }, { operation: 'UPDATE', oldObject: before, subresource: 'status', user }))
      .status?.used
  }
  assert.deepEqual(used(), { pods: '2' })
  const controller = 'system:serviceaccount:kube-system:resourcequota-controller'
  assert.deepEqual(await counted(controller), { pods: '2', 'count/elsewhere.example.com': '4' })
  assert.equal((await counted('anna'))?.['pods'], '0')
})

test('ResourceQuota refuses what is limited where no quota covers it', async () => {
  const affinity = { scopeName: 'CrossNamespacePodAffinity', operator: 'Exists' }
  const critical = { scopeName: 'PriorityClass', operator: 'In', values: ['a', 'b'] }
  const limitedResources = [
    { resource: 'pods', matchScopes: [affinity, critical] },
    { resource: 'pods', matchContains: ['.cpu'] },
    { resource: 'persistentvolumeclaims', matchContains: ['gold.storageclass.storage.k8s.io/'] },
  ]
  const among = (namespaces: string[]) => ({
    affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', namespaces }] } },
  })
  const { admit, reader } = withQuota({ pods: '9' }, {}, { limitedResources })
  for (const name of ['a', 'low']) reader.put(PriorityClass, { metadata: { name }, value: 1 })
  await admit(PodKind, pod({ priorityClassName: 'low', ...among([]) }))
  await assert.rejects(admit(PodKind, pod(among(['y']))), {
    code: 500,
    message: 'insufficient quota to match these scopes: [{CrossNamespacePodAffinity Exists []}]',
  })
  await assert.rejects(admit(PodKind, pod({ priorityClassName: 'a' })), /these scopes: \[\{PriorityClass In \[a b\]\}\]/)
  await assert.rejects(admit(PodKind, sized('1')), {
    code: 403,
    message: 'pods "p" is forbidden: insufficient quota to consume: limits.cpu,requests.cpu',
  })
  reader.put(ResourceQuota, {
    metadata: { name: 'z', namespace: 'x' },
    spec: { hard: { pods: '9' }, scopes: ['CrossNamespacePodAffinity'] },
  })
  await admit(PodKind, pod(among(['y'])))
  reader.put(ResourceQuota, { metadata: { name: 'c', namespace: 'x' }, spec: { hard: { 'requests.cpu': '9', 'limits.cpu': '9' } } })
  await admit(PodKind, sized('1'))
})

test('ResourceQuota wants requests named where it limits them', async () => {
  const { admit } = withQuota({ 'limits.cpu': '1', memory: '1Gi' })
  await assert.rejects(admit(PodKind, pod()), {
    message: 'pods "p" is forbidden: failed quota: q: must specify limits.cpu for: c; memory for: c',
  })
})

test('ResourceQuota charges nothing for a dry run, nor for pods out of its scope', async () => {
  const dry = withQuota({ pods: '5' })
  await dry.admit(PodKind, sized('1'), { dryRun: true })
  assert.equal(dry.used(), undefined)
  const scoped = withQuota({ pods: '0' }, { scopes: ['BestEffort'] })
  await scoped.admit(PodKind, sized('1'))
  await assert.rejects(scoped.admit(PodKind, pod()), /exceeded quota: q/)
})

test('ResourceQuota charges a pod that is given an end to the quota it is in from then on', async () => {
  const { admit, reader, used } = withQuota({ pods: '1' }, { scopes: ['Terminating'] })
  const ending = (name: string, seconds?: number) => ({
    ...pod(seconds === undefined ? {} : { activeDeadlineSeconds: seconds }),
    metadata: { name, namespace: 'x' },
  })
  const end = (name: string) => admit(PodKind, ending(name, 60), { operation: 'UPDATE', oldObject: ending(name) })
  await admit(PodKind, ending('a'))
  assert.equal(used(), undefined)
  reader.put(PodKind, await end('a'))
  assert.deepEqual(used(), { pods: '1' })
  await admit(PodKind, ending('a', 30), { operation: 'UPDATE', oldObject: ending('a', 60) })
  assert.deepEqual(used(), { pods: '1' })
  await assert.rejects(end('b'), /exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1/)
})

test('PodTopologyLabels copies the place of the node to the binding', async () => {
  const { reader, admit } = fixture()
  reader.put(Node, { metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': 'z', other: 'o' } } })
  const binding = { metadata: { name: 'p', namespace: 'x' }, target: { kind: 'Node', name: 'n' } }
  await admit(PodKind, binding as unknown as Pod, { subresource: 'binding' })
  assert.deepEqual((binding.metadata as { labels?: object }).labels, { 'topology.kubernetes.io/zone': 'z' })
})
