import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import { tableOf } from '#api/table.ts'
import { type Change, createdObject, createErrors, set, spec, testContext, updateErrors } from './minimal-objects.ts'

/** `Kind` or `Kind/version`, where several are served. */
function kindOf(name: string): Kind<any> {
  const [kind, version] = name.split('/')
  return builtinKinds.find((one) => one.kind === kind && (!version || one.version === version || one.group === version))!
}

const IMMUTABLE = 'field is immutable'
const refused: [string, string, Change, string[]][] = [
  [
    'ConfigMap',
    'a key out of form',
    set({ data: { 'a b': '' } }),
    [
      `data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
    ],
  ],
  [
    'ConfigMap',
    'a key in both',
    set({ data: { a: '' }, binaryData: { a: '' } }),
    ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
  ],
  [
    'ConfigMap',
    'more than a mebibyte',
    set({ data: { a: 'x'.repeat(1024 * 1024 + 1) } }),
    ['[]: Too long: may not be more than 1048576 bytes'],
  ],
  [
    'Secret',
    'a certificate without key',
    set({ type: 'kubernetes.io/tls', stringData: { 'tls.crt': 'x' } }),
    ['data[tls.key]: Required value'],
  ],
  [
    'Secret',
    'a token of no account',
    set({ type: 'kubernetes.io/service-account-token' }),
    ['metadata.annotations[kubernetes.io/service-account.name]: Required value'],
  ],
  [
    'Namespace',
    'an unknown finalizer',
    (n) => (n.spec = { finalizers: ['other'] }),
    ['spec.finalizers: Invalid value: "other": name is neither a standard finalizer name nor is it fully qualified'],
  ],
  [
    'Node',
    'a taint twice',
    (n) =>
      (n.spec = {
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoSchedule' },
        ],
      }),
    [
      'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
    ],
  ],
  [
    'Event',
    'another namespace',
    (e) => (e.involvedObject.namespace = 'other'),
    ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  ],
  ['Event/events.k8s.io', 'no action', (e) => delete e.action, ['action: Required value']],
  ['Event/events.k8s.io', 'an unknown type', set({ type: 'Odd' }), ['type: Invalid value: "": has invalid value: Odd']],
  [
    'PersistentVolumeClaim',
    'no access modes',
    spec({ accessModes: [] }),
    ['spec.accessModes: Required value: at least 1 access mode is required'],
  ],
  ['PersistentVolumeClaim', 'no size', spec({ resources: {} }), ['spec.resources[storage]: Required value']],
  [
    'PersistentVolumeClaim',
    'a size of nothing',
    spec({ resources: { requests: { storage: '0' } } }),
    ['spec.resources[storage]: Invalid value: "0": must be greater than zero'],
  ],
  ['PersistentVolume', 'no source', (v) => delete v.spec.hostPath, ['spec: Required value: must specify a volume type']],
  [
    'PersistentVolume',
    'two sources',
    spec({ nfs: { server: 's', path: '/' } }),
    ['spec.nfs: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'PersistentVolume',
    'once-per-pod with another mode',
    spec({ accessModes: ['ReadWriteOncePod', 'ReadWriteOnce'] }),
    ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes'],
  ],
  [
    'PersistentVolume',
    'recycling of the root',
    spec({ hostPath: { path: '/' }, persistentVolumeReclaimPolicy: 'Recycle' }),
    ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
  ],
  [
    'PersistentVolume',
    'recycling of the root, spelled at length',
    spec({ hostPath: { path: `${'/'.repeat(1000)}./.` }, persistentVolumeReclaimPolicy: 'Recycle' }),
    ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
  ],
  [
    'PersistentVolume',
    'no recycling of what is below the root',
    spec({ hostPath: { path: `${'/'.repeat(1000)}a` }, persistentVolumeReclaimPolicy: 'Recycle', accessModes: [] }),
    ['spec.accessModes: Required value'],
  ],
  [
    'LimitRange',
    'less than the least',
    (l) =>
      (l.spec.limits = [{ type: 'Container', min: { cpu: '2' }, max: { cpu: '1' }, default: { cpu: '1' }, defaultRequest: { cpu: '1' } }]),
    [
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
      'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
    ],
  ],
  [
    'LimitRange',
    'a type twice',
    (l) => l.spec.limits.push(structuredClone(l.spec.limits[0])),
    ['spec.limits[1].type: Duplicate value: "Container"'],
  ],
  [
    'ResourceQuota',
    'an unknown resource',
    spec({ hard: { things: '1' } }),
    [
      'spec.hard[things]: Invalid value: "things": must be a standard resource type or fully qualified',
      'spec.hard[things]: Invalid value: "things": must be a standard resource for quota',
    ],
  ],
  [
    'ResourceQuota',
    'very many scopes that are none, each shown with all',
    spec({ scopes: Array(100).fill('a') }),
    [`spec.scopes: Invalid value: ${JSON.stringify(Array(100).fill('a'))}: unsupported scope`],
  ],
  [
    'ResourceQuota',
    'a scope that does not suit, named often',
    spec({ scopes: Array(100).fill('BestEffort'), hard: { 'limits.cpu': '1' } }),
    [`spec.scopes: Invalid value: ${JSON.stringify(Array(100).fill('BestEffort'))}: unsupported scope applied to resource`],
  ],
  [
    'ResourceQuota',
    'scopes that contradict',
    spec({ scopes: ['Terminating', 'NotTerminating'] }),
    ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'],
  ],
  [
    'PriorityClass',
    'a reserved name',
    (p) => (p.metadata.name = 'system-mine'),
    [
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
    ],
  ],
  [
    'PriorityClass',
    'a value too high',
    set({ value: 1_000_000_001 }),
    ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000'],
  ],
  ['StorageClass', 'no provisioner', (s) => delete s.provisioner, ['provisioner: Required value']],
  [
    'HorizontalPodAutoscaler/v2',
    'no upper bound',
    spec({ maxReplicas: 0 }),
    [
      'spec.maxReplicas: Required value: must be set and greater than 0',
      'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
    ],
  ],
  [
    'HorizontalPodAutoscaler/v2',
    'bounds upside down',
    spec({ minReplicas: 5 }),
    ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`'],
  ],
  [
    'HorizontalPodAutoscaler/v2',
    'a metric without its member',
    spec({ metrics: [{ type: 'Pods' }] }),
    ['spec.metrics[0].pods: Required value: must populate information for the given metric source'],
  ],
  [
    'HorizontalPodAutoscaler/v1',
    'a lower bound of nothing',
    spec({ minReplicas: 0 }),
    ['spec.minReplicas: Invalid value: 0: must be greater than or equal to 1'],
  ],
  [
    'PodDisruptionBudget',
    'both bounds',
    spec({ maxUnavailable: 1 }),
    [
      'spec: Invalid value: {"MinAvailable":1,"Selector":{"matchLabels":{"app":"a"}},"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
    ],
  ],
  [
    'PodDisruptionBudget',
    'text that is no percentage',
    spec({ minAvailable: 'half' }),
    [
      `spec.minAvailable: Invalid value: "half": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`,
    ],
  ],
  [
    'Ingress',
    'nothing to serve',
    (i) => delete i.spec.defaultBackend,
    ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified'],
  ],
  [
    'Ingress',
    'a path without type',
    spec({ rules: [{ http: { paths: [{ path: '/', backend: { service: { name: 's', port: { number: 80 } } } }] } }] }),
    ['spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified'],
  ],
  [
    'Ingress',
    'a relative path',
    spec({ rules: [{ http: { paths: [{ path: 'a', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }] } }] }),
    ['spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path'],
  ],
  [
    'Ingress',
    'a port by name and number',
    spec({ defaultBackend: { service: { name: 's', port: { name: 'a', number: 80 } } } }),
    ['spec.defaultBackend: Invalid value: "": cannot set both port name & port number'],
  ],
  [
    'NetworkPolicy',
    'a peer that is nobody',
    spec({ ingress: [{ from: [{}] }] }),
    ['spec.ingress[0].from[0]: Required value: must specify a peer'],
  ],
  [
    'NetworkPolicy',
    'a range of addresses with host bits',
    spec({ ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.1/8' } }] }] }),
    ['spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length'],
  ],
  [
    'NetworkPolicy',
    'an end before the start',
    spec({ ingress: [{ ports: [{ port: 80, endPort: 79 }] }] }),
    ['spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`'],
  ],
  [
    'IngressClass',
    'a controller without domain',
    spec({ controller: 'nginx' }),
    ['spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
  [
    'ServiceCIDR',
    'two ranges of one family',
    spec({ cidrs: ['10.0.0.0/8', '11.0.0.0/8'] }),
    [
      'spec.cidrs: Invalid value: {"CIDRs":["10.0.0.0/8","11.0.0.0/8"]}: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
    ],
  ],
  ['IPAddress', 'no parent', (i) => delete i.spec.parentRef, ['spec.parentRef: Required value']],
  ['Role', 'no verbs', (r) => (r.rules[0].verbs = []), ['rules[0].verbs: Required value: verbs must contain at least one value']],
  [
    'Role',
    'paths',
    (r) => (r.rules = [{ verbs: ['get'], nonResourceURLs: ['/x'] }]),
    ['rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'],
  ],
  [
    'ClusterRoleBinding',
    'a role of a namespace',
    (b) => (b.roleRef.kind = 'Role'),
    ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'],
  ],
  ['RoleBinding', 'nobody where an account has no namespace', (b) => delete b.subjects[0].namespace, []],
  [
    'ClusterRoleBinding',
    'an account of no namespace',
    (b) => (b.subjects = [{ kind: 'ServiceAccount', name: 's' }]),
    ['subjects[0].namespace: Required value'],
  ],
  [
    'Lease',
    'a duration of nothing',
    spec({ leaseDurationSeconds: 0 }),
    ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
  ],
  ['RuntimeClass', 'no handler', (r) => delete r.handler, ['handler: Required value']],
  [
    'CSINode',
    'a driver twice',
    (n) => n.spec.drivers.push(structuredClone(n.spec.drivers[0])),
    ['spec.drivers[1].name: Duplicate value: "d.example.com"'],
  ],
  ['CSIStorageCapacity', 'no class', (c) => delete c.storageClassName, ['storageClassName: Required value']],
  [
    'CSIDriver',
    'an unknown policy',
    spec({ fsGroupPolicy: 'X' }),
    ['spec.fsGroupPolicy: Unsupported value: "X": supported values: "File", "None", "ReadWriteOnceWithFSType"'],
  ],
  [
    'VolumeAttachment',
    'no source',
    (v) => (v.spec.source = {}),
    ['spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName'],
  ],
  [
    'VolumeAttributesClass',
    'no parameters',
    (v) => delete v.parameters,
    ['parameters: Required value: must contain at least one key/value pair'],
  ],
  [
    'ValidatingWebhookConfiguration',
    'a name of two parts',
    (c) => (c.webhooks[0].name = 'a.example'),
    ['webhooks[0].name: Invalid value: "a.example": should be a domain with at least three segments separated by dots'],
  ],
  [
    'ValidatingWebhookConfiguration',
    'plain HTTP',
    (c) => (c.webhooks[0].clientConfig.url = 'http://example.com'),
    ['webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]'],
  ],
  [
    'MutatingWebhookConfiguration',
    'a long timeout',
    (c) => (c.webhooks[0].timeoutSeconds = 31),
    ['webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds'],
  ],
  [
    'MutatingWebhookConfiguration',
    'a name twice',
    (c) => c.webhooks.push(structuredClone(c.webhooks[0])),
    ['webhooks[1].name: Duplicate value: "a.example.com"'],
  ],
  [
    'ValidatingAdmissionPolicy',
    'nothing to check',
    spec({ validations: [] }),
    [
      'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
      'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
    ],
  ],
  [
    'ValidatingAdmissionPolicyBinding',
    'denying and warning',
    spec({ validationActions: ['Deny', 'Warn'] }),
    [
      'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    ],
  ],
  [
    'MutatingAdmissionPolicy',
    'no mutations',
    spec({ mutations: [] }),
    ['spec.mutations: Required value: mutations must contain at least one item'],
  ],
  ['MutatingAdmissionPolicyBinding', 'no policy', (b) => delete b.spec.policyName, ['spec.policyName: Required value']],
  [
    'CustomResourceDefinition',
    'another name',
    (c) => (c.metadata.name = 'x.example.com'),
    ['metadata.name: Invalid value: "x.example.com": must be spec.names.plural+"."+spec.group'],
  ],
  [
    'CustomResourceDefinition',
    'no schema',
    (c) => delete c.spec.versions[0].schema,
    ['spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required'],
  ],
  [
    'CustomResourceDefinition',
    'no storage version',
    (c) => (c.spec.versions[0].storage = false),
    [
      'spec.versions: Invalid value: [{"name":"v1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object"}}}]: must have exactly one version marked as storage version',
      'status.storedVersions: Invalid value: null: must have at least one stored version',
    ],
  ],
  [
    'APIService',
    'another name',
    (a) => (a.metadata.name = 'v2.example.com'),
    ['metadata.name: Invalid value: "v2.example.com": must be `spec.version+"."+spec.group`: "v1.example.com"'],
  ],
  [
    'CertificateSigningRequest',
    'no request',
    spec({ request: '' }),
    ['spec.request: Invalid value: "": PEM block type must be CERTIFICATE REQUEST'],
  ],
  [
    'FlowSchema',
    'first place',
    spec({ matchingPrecedence: 1 }),
    ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"],
  ],
  [
    'PriorityLevelConfiguration',
    'a hand larger than the table',
    (p) => (p.spec.limited.limitResponse.queuing = { queues: 2, handSize: 3 }),
    ['spec.limited.limitResponse.queuing.handSize: Invalid value: 3: should not be greater than queues (2)'],
  ],
  [
    'ResourceClaim',
    'a request twice',
    (c) => c.spec.devices.requests.push(structuredClone(c.spec.devices.requests[0])),
    ['spec.devices.requests[1]: Duplicate value: "r"'],
  ],
  ['ResourceSlice', 'no pool', (r) => delete r.spec.pool.name, ['spec.pool.name: Required value']],
  ['DeviceClass', 'an empty selector', spec({ selectors: [{}] }), ['spec.selectors[0].cel: Required value']],
  [
    'SubjectAccessReview',
    'nothing asked',
    (r) => delete r.spec.resourceAttributes,
    ['spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified'],
  ],
  ['TokenReview', 'no token', (t) => (t.spec = {}), ['spec.token: Required value']],
  [
    'Binding',
    'another target',
    (b) => (b.target.kind = 'Pod'),
    ['target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"'],
  ],
]

for (const [name, what, change, expected] of refused)
  test(`${name} refuses ${what}`, () => assert.deepEqual(createErrors(kindOf(name), change), expected))

const frozen: [string, string, Change, string[], { before?: Change; subresource?: string }?][] = [
  [
    'ConfigMap',
    'frozen data',
    set({ data: { key: 'other' } }),
    ['data: Forbidden: field is immutable when `immutable` is set'],
    { before: set({ immutable: true }) },
  ],
  ['Secret', 'the type', set({ type: 'other' }), [`type: Invalid value: "other": ${IMMUTABLE}`]],
  [
    'Node',
    'the pod range',
    (n) => (n.spec = { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] }),
    ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    { before: (n) => (n.spec = { podCIDR: '10.0.0.0/24' }) },
  ],
  [
    'PersistentVolume',
    'the source',
    spec({ hostPath: { path: '/other', type: '' } }),
    [
      'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@ -2,7 +2,7 @@\n  "GCEPersistentDisk": null,\n  "AWSElasticBlockStore": null,\n  "HostPath": {\n-  "Path": "/data",\n+  "Path": "/other",\n   "Type": ""\n  },\n  "Glusterfs": null,\n',
    ],
  ],
  [
    'PersistentVolumeClaim',
    'the access modes',
    spec({ accessModes: ['ReadWriteMany'] }),
    [
      'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n@@ -1,6 +1,6 @@\n {\n  "AccessModes": [\n-  "ReadWriteOnce"\n+  "ReadWriteMany"\n  ],\n  "Selector": null,\n  "Resources": {\n',
    ],
  ],
  ['PersistentVolumeClaim', 'the volume once', spec({ volumeName: 'pv' }), []],
  ['StorageClass', 'the provisioner', set({ provisioner: 'other' }), [`provisioner: Invalid value: "other": ${IMMUTABLE}`]],
  ['PriorityClass', 'the value', set({ value: 5 }), ['value: Forbidden: may not be changed in an update.']],
  [
    'RoleBinding',
    'the role',
    (b) => (b.roleRef.name = 'edit'),
    ['roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"edit"}: cannot change roleRef'],
  ],
  ['RuntimeClass', 'the handler', set({ handler: 'other' }), [`handler: Invalid value: "other": ${IMMUTABLE}`]],
  ['EndpointSlice', 'the address type', set({ addressType: 'FQDN' }), [`addressType: Invalid value: "FQDN": ${IMMUTABLE}`]],
  [
    'VolumeAttributesClass',
    'the driver',
    set({ driverName: 'e.example.com' }),
    ['driverName: Forbidden: updates to driverName are forbidden.'],
  ],
  ['ServiceCIDR', 'a second family', spec({ cidrs: ['10.96.0.0/12', 'fd00::/108'] }), []],
  ['ServiceCIDR', 'the range', spec({ cidrs: ['10.0.0.0/8'] }), [`spec.cidrs[0]: Invalid value: "10.0.0.0/8": ${IMMUTABLE}`]],
  [
    'IngressClass',
    'the controller',
    spec({ controller: 'example.com/other' }),
    [`spec.controller: Invalid value: "example.com/other": ${IMMUTABLE}`],
  ],
  ['CSIDriver', 'attachment', spec({ attachRequired: false }), [`spec.attachedRequired: Invalid value: false: ${IMMUTABLE}`]],
  [
    'ResourceClaim',
    'the spec',
    (c) => (c.spec.devices.requests[0].name = 's'),
    [
      `spec: Invalid value: {"devices":{"requests":[{"name":"s","exactly":{"deviceClassName":"gpu","allocationMode":"ExactCount","count":1}}]}}: ${IMMUTABLE}`,
    ],
  ],
  [
    'Namespace',
    'the phase while it lives',
    (n) => (n.status.phase = 'Terminating'),
    ['status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty'],
    { subresource: 'status' },
  ],
  [
    'CertificateSigningRequest',
    'an approval without permission',
    (c) => (c.status.conditions = [{ type: 'Denied', status: 'True' }]),
    [],
    { subresource: 'approval' },
  ],
]

for (const [name, what, change, expected, options] of frozen)
  test(`${name} update of ${what} ${expected.length > 0 ? 'is refused' : 'is accepted'}`, () =>
    assert.deepEqual(updateErrors(kindOf(name), change, options), expected))

const rows: [string, Change, unknown[]][] = [
  ['ConfigMap', set({ binaryData: { b: '' } }), ['x', 2, '<unknown>']],
  ['Secret', () => {}, ['x', 'Opaque', 1, '<unknown>']],
  ['Namespace', () => {}, ['x', 'Active', '<unknown>']],
  [
    'Node',
    (n) => {
      n.metadata.labels = { 'node-role.kubernetes.io/worker': '', 'node-role.kubernetes.io/control-plane': '' }
      n.spec = { unschedulable: true }
      n.status = {
        conditions: [{ type: 'Ready', status: 'True' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
        nodeInfo: {
          kubeletVersion: 'v1.36.0',
          osImage: 'Debian',
          kernelVersion: '6.1',
          architecture: 'amd64',
          containerRuntimeVersion: 'containerd://1.6',
        },
      }
    },
    [
      'x',
      'Ready,SchedulingDisabled',
      'control-plane,worker',
      '<unknown>',
      'v1.36.0',
      '10.0.0.1',
      '<none>',
      'Debian',
      '6.1 (amd64)',
      'containerd://1.6',
    ],
  ],
  [
    'Event',
    set({
      message: ' hello ',
      count: 3,
      source: { component: 'kubelet', host: 'n' },
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:08:00Z',
    }),
    ['2m', 'Normal', 'Started', 'pod/p', '', 'kubelet, n', 'hello', '10m', 3, 'x'],
  ],
  [
    'PersistentVolume',
    spec({ claimRef: { namespace: 'default', name: 'c' } }),
    ['x', '1Gi', 'RWO', 'Retain', 'Pending', 'default/c', '', '<unset>', '', '<unknown>', 'Filesystem'],
  ],
  [
    'PersistentVolumeClaim',
    (c) => {
      c.spec.volumeName = 'pv'
      c.status = { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] }
    },
    ['x', 'Bound', 'pv', '1Gi', 'RWO,RWX', '', '<unset>', '<unknown>', 'Filesystem'],
  ],
  [
    'StorageClass',
    (s) => (s.metadata.annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' }),
    ['x (default)', 'example.com/p', 'Delete', 'Immediate', false, '<unknown>'],
  ],
  [
    'HorizontalPodAutoscaler/v2',
    (h) =>
      (h.status = {
        currentReplicas: 2,
        currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 10 } } }],
      }),
    ['x', 'Deployment/d', 'cpu: 10%/80%', '1', 3, 2, '<unknown>'],
  ],
  ['HorizontalPodAutoscaler/v1', () => {}, ['x', 'Deployment/d', 'cpu: <unknown>/70%', '1', 3, 0, '<unknown>']],
  ['PodDisruptionBudget', (p) => (p.status = { disruptionsAllowed: 2 }), ['x', '1', 'N/A', 2, '<unknown>']],
  [
    'Ingress',
    (i) => (i.spec.rules = [{}, { host: 'c' }, { host: 'b' }, { host: 'a' }, {}]),
    ['x', '<none>', 'c,b,a + 2 more...', '', '80', '<unknown>'],
  ],
  ['Ingress', (i) => (i.spec.rules = [{}, { host: 'c' }, { host: 'b' }, { host: 'a' }]), ['x', '<none>', 'c,b,a', '', '80', '<unknown>']],
  ['Ingress', (i) => (i.spec.rules = [{ host: 'b' }, { host: 'a' }]), ['x', '<none>', 'b,a', '', '80', '<unknown>']],
  [
    'NetworkPolicy',
    spec({ podSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['c', 'b'] }] } }),
    ['x', 'a in (b,c)', '<unknown>'],
  ],
  ['RoleBinding', () => {}, ['x', 'ClusterRole/view', '<unknown>', '', '', 'default/s']],
  [
    'ResourceQuota',
    (q) => (q.status = { hard: { pods: '10', 'limits.cpu': '4', 'requests.cpu': '2' }, used: { pods: '3' } }),
    ['x', 'pods: 3/10, requests.cpu: 0/2', 'limits.cpu: 0/4', '<unknown>'],
  ],
  ['PriorityClass', () => {}, ['x', 1000, false, '<unknown>', 'PreemptLowerPriority']],
  ['Lease', () => {}, ['x', 'me', '<unknown>']],
  ['APIService', () => {}, ['v1.example.com', 'Local', 'True', '<unknown>']],
  [
    'CertificateSigningRequest',
    (c) => (c.status.conditions = [{ type: 'Approved', status: 'True' }]),
    ['x', '<unknown>', 'example.com/signer', 'tester', '<none>', 'Approved'],
  ],
  ['IPAddress', () => {}, ['10.96.0.1', 'services/default/s']],
  ['Role', (r) => (r.metadata.creationTimestamp = '2026-01-01T00:00:00Z'), ['x', '2026-01-01T00:00:00Z']],
]

for (const [name, change, expected] of rows)
  test(`${name} columns show its state`, () => {
    const kind = kindOf(name)
    const object = createdObject(kind)
    change(object)
    assert.deepEqual(tableOf(kind, [object], { now: testContext.now }).rows[0]!.cells, expected)
  })

test('Namespace default and prepareForCreate label and protect it', () => {
  const namespace = createdObject(kindOf('Namespace'))
  assert.deepEqual(namespace.metadata.labels, { 'kubernetes.io/metadata.name': 'x' })
  assert.deepEqual(namespace.spec, { finalizers: ['kubernetes'] })
})

test('Secret default merges plain text into data', () => {
  const secret = createdObject(kindOf('Secret'), set({ data: { old: 'eA==' } }))
  assert.deepEqual(secret.data, { old: 'eA==', key: 'dmFsdWU=' })
  assert.equal(secret.stringData, undefined)
})

test('CertificateSigningRequest prepareForCreate records who asks', () => {
  const request = createdObject(kindOf('CertificateSigningRequest'), spec({ username: 'someone else', groups: ['system:masters'] }))
  assert.equal(request.spec.username, 'tester')
  assert.deepEqual(request.spec.groups, ['system:authenticated'])
})

test('HorizontalPodAutoscaler v1 keeps what only v2 can say in annotations', () => {
  const [v1, v2] = [kindOf('HorizontalPodAutoscaler/v1'), kindOf('HorizontalPodAutoscaler/v2')]
  const stored = createdObject(
    v2,
    spec({
      metrics: [{ type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '10' } } }],
      behavior: { scaleDown: { stabilizationWindowSeconds: 5 } },
    }),
  )
  const seen = v1.convert!.fromStorage(structuredClone(stored)) as any
  assert.equal(
    seen.metadata.annotations['autoscaling.alpha.kubernetes.io/metrics'],
    '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"10"}}]',
  )
  assert.equal(
    seen.metadata.annotations['autoscaling.alpha.kubernetes.io/behavior'],
    '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15},{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null},' +
      '"ScaleDown":{"StabilizationWindowSeconds":5,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}}',
  )
  assert.deepEqual(v1.convert!.toStorage(seen), { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', ...stored })
})

test('HorizontalPodAutoscaler v1 has its CPU target come after the metrics of its annotation, and says nothing of no replicas', () => {
  const pods = '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"10"}}]'
  const stored = kindOf('HorizontalPodAutoscaler/v1').convert!.toStorage({
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'x', annotations: { 'autoscaling.alpha.kubernetes.io/metrics': pods } },
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'x' }, targetCPUUtilizationPercentage: 50 },
    status: { currentReplicas: 0, desiredReplicas: 0 },
  }) as any
  assert.deepEqual(
    stored.spec.metrics.map((metric: any) => metric.pods?.metric.name ?? metric.resource.name),
    ['rps', 'cpu'],
  )
  assert.deepEqual(stored.status, { desiredReplicas: 0, currentMetrics: null })
})

test('Job refuses to lose the template of its pods, suspended too', () => {
  const errors = updateErrors(kindOf('Job'), ({ spec: job }) => delete job.template, { before: spec({ suspend: true }) })
  assert.ok(errors.includes('spec.template.spec.containers: Required value'), errors.join('\n'))
})

for (const name of ['Deployment', 'DaemonSet', 'ReplicaSet', 'StatefulSet', 'Job', 'CronJob'])
  test(`${name} without a template misses the containers of its pods`, () => {
    const within = name === 'CronJob' ? 'spec.jobTemplate.spec' : 'spec'
    const errors = createErrors(kindOf(name), ({ spec: own }) => delete (own.jobTemplate?.spec ?? own).template)
    assert.ok(errors.includes(`${within}.template.spec.containers: Required value`), errors.join('\n'))
  })
