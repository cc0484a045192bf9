// The conformance tests that walk one kind through its API, each named after its original.
import { after, before, describe, test } from 'node:test'
import { type Json, startSuite, type Suite, type Walk, walkTheApi } from './cluster.ts'

let suite: Suite
before(async () => {
  suite = await startSuite({ nodes: 1 })
})
after(() => suite[Symbol.asyncDispose]())

const labelled: Pick<Walk, 'change' | 'shows'> = {
  change: { metadata: { labels: { patched: 'yes' } } },
  shows: ({ metadata }) => metadata.labels.patched === 'yes',
}
const named =
  (spec: Json = {}) =>
  (name: string) => ({ metadata: { name }, ...spec })
const podTemplate = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'main', image: 'app' }] } }
const now = new Date().toISOString().replace(/\.\d+/, '')
const condition = { type: 'StatusPatched', status: 'True', reason: 'E2E', message: 'Set by a test', lastTransitionTime: now }
const policyMatch = {
  resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] }],
  namespaceSelector: { matchLabels: { never: 'there' } },
}
const REQUEST = {
  spec: {
    subjects: [{ kind: 'User', user: { name: 'example-e2e-flow' } }],
    resourceRules: [{ verbs: ['get'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] }],
  },
}

type Titled = Omit<Walk, 'namespace'> & { title: string; namespaced?: boolean }

const WALKS: readonly Titled[] = [
  {
    title: '[sig-api-machinery] API priority and fairness should support FlowSchema API operations [Conformance]',
    root: '/apis/flowcontrol.apiserver.k8s.io/v1',
    plural: 'flowschemas',
    kind: 'FlowSchema',
    make: named({ spec: { matchingPrecedence: 10000, priorityLevelConfiguration: { name: 'global-default' }, rules: [REQUEST.spec] } }),
    change: { spec: { matchingPrecedence: 9999 } },
    shows: ({ spec }) => spec.matchingPrecedence === 9999,
    status: { conditions: [{ ...condition, type: 'Dangling', status: 'False' }] },
  },
  {
    title: '[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations [Conformance]',
    root: '/apis/flowcontrol.apiserver.k8s.io/v1',
    plural: 'prioritylevelconfigurations',
    kind: 'PriorityLevelConfiguration',
    make: named({ spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } } }),
    change: { spec: { limited: { nominalConcurrencyShares: 4 } } },
    shows: ({ spec }) => spec.limited.nominalConcurrencyShares === 4,
    status: { conditions: [condition] },
  },
  {
    title: '[sig-apps] CronJob should support CronJob API operations [Conformance]',
    root: '/apis/batch/v1',
    plural: 'cronjobs',
    kind: 'CronJob',
    namespaced: true,
    make: named({
      spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: { spec: { ...podTemplate.spec, restartPolicy: 'OnFailure' } } } } },
    }),
    change: { spec: { suspend: true } },
    shows: ({ spec }) => spec.suspend === true,
    status: { lastScheduleTime: now },
  },
  ...(['DeviceClass', 'ResourceClaim', 'ResourceClaimTemplate', 'ResourceSlice'] as const).map((kind): Titled => {
    const requests = [{ name: 'req', exactly: { deviceClassName: 'example' } }]
    const specs: Record<typeof kind, Json> = {
      DeviceClass: { selectors: [{ cel: { expression: 'device.driver == "dra.example.com"' } }] },
      ResourceClaim: { devices: { requests } },
      ResourceClaimTemplate: { spec: { devices: { requests } } },
      ResourceSlice: {
        nodeName: 'some-node',
        driver: 'dra.example.com',
        pool: { name: 'pool', generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'device-0' }],
      },
    }
    return {
      title: `[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ${kind} [Conformance]`,
      root: '/apis/resource.k8s.io/v1',
      plural: kind === 'DeviceClass' ? 'deviceclasses' : `${kind.toLowerCase()}s`,
      kind,
      namespaced: kind.startsWith('ResourceClaim'),
      make: named({ spec: specs[kind] }),
      ...labelled,
    }
  }),
  {
    title: '[sig-network] EndpointSlice should support creating EndpointSlice API operations [Conformance]',
    root: '/apis/discovery.k8s.io/v1',
    plural: 'endpointslices',
    kind: 'EndpointSlice',
    namespaced: true,
    make: named({ addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }),
    ...labelled,
  },
  {
    title: '[sig-network] Ingress API should support creating Ingress API operations [Conformance]',
    root: '/apis/networking.k8s.io/v1',
    plural: 'ingresses',
    kind: 'Ingress',
    namespaced: true,
    make: named({
      spec: {
        defaultBackend: { service: { name: 'default-backend', port: { number: 80 } } },
        rules: [
          {
            host: 'foo.bar.com',
            http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'test-backend', port: { number: 8080 } } } }] },
          },
        ],
      },
    }),
    change: { metadata: { annotations: { patched: 'true' } } },
    shows: ({ metadata }) => metadata.annotations.patched === 'true',
    status: { loadBalancer: { ingress: [{ ip: '169.1.1.1' }] } },
  },
  {
    title: '[sig-network] IngressClass API should support creating IngressClass API operations [Conformance]',
    root: '/apis/networking.k8s.io/v1',
    plural: 'ingressclasses',
    kind: 'IngressClass',
    make: named({ spec: { controller: 'example.com/controller' } }),
    ...labelled,
  },
  {
    title: '[sig-node] Lease lease API should be available [Conformance]',
    root: '/apis/coordination.k8s.io/v1',
    plural: 'leases',
    kind: 'Lease',
    namespaced: true,
    make: named({ spec: { holderIdentity: 'holder', leaseDurationSeconds: 30, leaseTransitions: 0 } }),
    change: { spec: { leaseDurationSeconds: 50 } },
    shows: ({ spec }) => spec.leaseDurationSeconds === 50,
  },
  {
    title: '[sig-node] RuntimeClass should support RuntimeClasses API operations [Conformance]',
    root: '/apis/node.k8s.io/v1',
    plural: 'runtimeclasses',
    kind: 'RuntimeClass',
    make: named({ handler: 'some-handler' }),
    ...labelled,
  },
  {
    title: '[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations [Conformance]',
    root: '/apis/storage.k8s.io/v1',
    plural: 'csistoragecapacities',
    kind: 'CSIStorageCapacity',
    namespaced: true,
    make: named({ storageClassName: 'example', capacity: '1Gi' }),
    ...labelled,
  },
  {
    title: '[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver [Conformance]',
    root: '/apis/storage.k8s.io/v1',
    plural: 'csidrivers',
    kind: 'CSIDriver',
    make: named({ spec: { attachRequired: false, volumeLifecycleModes: ['Ephemeral'] } }),
    ...labelled,
  },
  {
    title: '[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode [Conformance]',
    root: '/apis/storage.k8s.io/v1',
    plural: 'csinodes',
    kind: 'CSINode',
    make: named({ spec: { drivers: [] } }),
    ...labelled,
  },
  {
    title: '[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass [Conformance]',
    root: '/apis/storage.k8s.io/v1',
    plural: 'storageclasses',
    kind: 'StorageClass',
    make: named({ provisioner: 'e2e-fake-provisioner' }),
    ...labelled,
  },
  {
    title: '[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment [Conformance]',
    root: '/apis/storage.k8s.io/v1',
    plural: 'volumeattachments',
    kind: 'VolumeAttachment',
    make: named({ spec: { attacher: 'e2e-attacher', nodeName: 'some-node', source: { persistentVolumeName: 'some-volume' } } }),
    ...labelled,
  },
  {
    title:
      '[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a VolumeAttributesClass [Conformance]',
    root: '/apis/storage.k8s.io/v1',
    plural: 'volumeattributesclasses',
    kind: 'VolumeAttributesClass',
    make: named({ driverName: 'e2e-fake-driver', parameters: { iops: '3000' } }),
    ...labelled,
  },
  {
    title: '[sig-node] PodTemplates should run the lifecycle of PodTemplates [Conformance]',
    root: '/api/v1',
    plural: 'podtemplates',
    kind: 'PodTemplate',
    namespaced: true,
    make: named({ template: podTemplate }),
    ...labelled,
  },
  {
    title: '[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]',
    root: '/api/v1',
    plural: 'endpoints',
    kind: 'Endpoints',
    namespaced: true,
    make: named({ subsets: [{ addresses: [{ ip: '10.0.0.24' }], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }] }),
    change: { subsets: [{ addresses: [{ ip: '10.0.0.25' }], ports: [{ name: 'http-test', port: 8080, protocol: 'TCP' }] }] },
    shows: ({ subsets }) => subsets[0].addresses[0].ip === '10.0.0.25',
  },
  {
    title: '[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations [Conformance]',
    root: '/apis/networking.k8s.io/v1',
    plural: 'ipaddresses',
    kind: 'IPAddress',
    make: (name) => ({
      metadata: { name: `192.168.1.${200 + name.charCodeAt(name.length - 1) - 97}` },
      spec: { parentRef: { resource: 'services', namespace: 'default', name } },
    }),
    ...labelled,
  },
  {
    title: '[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations [Conformance]',
    root: '/apis/networking.k8s.io/v1',
    plural: 'servicecidrs',
    kind: 'ServiceCIDR',
    make: (name) => ({ metadata: { name }, spec: { cidrs: [`10.99.${name.charCodeAt(name.length - 1)}.0/24`] } }),
    ...labelled,
    status: { conditions: [condition] },
  },
  ...(['Validating', 'Mutating'] as const).flatMap((verb): Titled[] => {
    const family = `${verb}AdmissionPolicy`
    const work =
      verb === 'Validating'
        ? { validations: [{ expression: 'object.spec.replicas <= 5' }] }
        : {
            reinvocationPolicy: 'Never',
            mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: 1}}' } }],
          }
    const root = '/apis/admissionregistration.k8s.io/v1'
    return [
      {
        title: `[sig-api-machinery] ${family} [Privileged:ClusterAdmin] should support ${family} API operations [Conformance]`,
        root,
        plural: `${family.toLowerCase().slice(0, -1)}ies`,
        kind: family,
        prefix: 'policy',
        make: named({ spec: { failurePolicy: 'Fail', matchConstraints: policyMatch, ...work } }),
        ...labelled,
        ...(verb === 'Validating' ? { status: { conditions: [condition] } } : {}),
      },
      {
        title: `[sig-api-machinery] ${family} [Privileged:ClusterAdmin] should support ${family}Binding API operations [Conformance]`,
        root,
        plural: `${family.toLowerCase()}bindings`,
        kind: `${family}Binding`,
        prefix: 'binding',
        make: named({ spec: { policyName: 'nobody', ...(verb === 'Validating' ? { validationActions: ['Deny'] } : {}) } }),
        ...labelled,
      },
    ]
  }),
]

describe('walks', { concurrency: 4 }, () => {
  for (const { title, namespaced, ...walk } of WALKS) {
    test(title, async () => walkTheApi(suite, { ...walk, ...(namespaced ? { namespace: await suite.namespace() } : {}) }))
  }
})
