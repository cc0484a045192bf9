// One row a rule of the kinds that rule clusters (who may what, how much, and by which extensions), in upstream's words and order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import { type Change, createErrors, set, spec, updateErrors } from './minimal-objects.ts'

type Row = [kind: string, what: string, change: Change, expected: string[]]

const kindOf = (name: string): Kind =>
  builtinKinds.find(({ kind, version }) => `${kind}/${version}` === (name.includes('/') ? name : `${name}/v1`))!
const HPA = 'HorizontalPodAutoscaler/v2'
const metric = (fields: Record<string, unknown>) => spec({ metrics: [fields] })
const cpu = (target: Record<string, unknown>) => metric({ type: 'Resource', resource: { name: 'cpu', target } })
const SOURCES = 'supported values: "ContainerResource", "External", "Object", "Pods", "Resource"'
const subdomain = (text: string) =>
  `${text}a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
const slice = (endpoint: Record<string, unknown>, fields: Record<string, unknown> = {}) =>
  set({ endpoints: [{ addresses: ['10.0.0.1'], ...endpoint }], ...fields })
const driver = (fields: Record<string, unknown>) => spec({ drivers: [{ name: 'd.example.com', nodeID: 'n', ...fields }] })
const review = (fields: Record<string, unknown>) => spec({ resourceAttributes: { verb: 'list', resource: 'pods', ...fields } })

const rows: Row[] = [
  [
    HPA,
    'fewer at most than at least',
    spec({ minReplicas: 4 }),
    ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`'],
  ],
  [
    HPA,
    'a metric of no type',
    metric({}),
    [
      'spec.metrics[0].type: Required value: must specify a metric source type',
      `spec.metrics[0].type: Unsupported value: "": ${SOURCES}`,
      `spec.metrics[0].type: Unsupported value: "": ${SOURCES}`,
    ],
  ],
  [
    HPA,
    'a metric of one type with the source of another',
    metric({ type: 'Pods', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }),
    ['spec.metrics[0].pods: Required value: must populate information for the given metric source'],
  ],
  [
    HPA,
    'two sources, of which the first is read',
    metric({
      type: 'Resource',
      resource: { name: '', target: {} },
      pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '1' } },
    }),
    ['spec.metrics[0].pods: Forbidden: must populate the given metric source only'],
  ],
  [
    HPA,
    'a target of nothing',
    cpu({}),
    [
      'spec.metrics[0].resource.target.type: Required value: must specify a metric target type',
      'spec.metrics[0].resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
      'spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization',
    ],
  ],
  [
    HPA,
    'a target of both, and less than nothing',
    cpu({ type: 'Utilization', averageUtilization: 0, averageValue: '-1' }),
    [
      'spec.metrics[0].resource.target.averageValue: Invalid value: "-1": must be positive',
      'spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0',
      'spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization',
    ],
  ],
  [
    HPA,
    'pods without an average',
    metric({ type: 'Pods', pods: { metric: { name: 'm' }, target: { type: 'AverageValue' } } }),
    ['spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue'],
  ],
  [
    HPA,
    'an external metric with two targets',
    metric({ type: 'External', external: { metric: { name: 'a/b' }, target: { type: 'Value', value: '1', averageValue: '1' } } }),
    [
      `spec.metrics[0].external.metric.name: Invalid value: "a/b": may not contain '/'`,
      'spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target',
    ],
  ],
  [
    HPA,
    'a container without names',
    metric({
      type: 'ContainerResource',
      containerResource: { name: '', container: '', target: { type: 'Utilization', averageUtilization: 1 } },
    }),
    [
      'spec.metrics[0].containerResource.name: Required value: must specify a resource name',
      'spec.metrics[0].containerResource.container: Required value: must specify a container',
    ],
  ],
  [
    HPA,
    'a container with names it cannot have',
    metric({
      type: 'ContainerResource',
      containerResource: { name: 'gpu', container: 'A', target: { type: 'Utilization', averageUtilization: 1 } },
    }),
    [
      'spec.metrics[0].containerResource.name: Invalid value: "gpu": must be a standard resource type or fully qualified',
      'spec.metrics[0].containerResource.name: Invalid value: "gpu": must be a standard resource for containers',
      `spec.metrics[0].containerResource.container: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
    ],
  ],
  [
    'ClusterRole',
    'a selector out of form',
    set({ aggregationRule: { clusterRoleSelectors: [{ matchExpressions: [{ key: 'a', operator: 'Near' }] }] } }),
    [
      'aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
      'aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.',
    ],
  ],
  [
    'RoleBinding',
    'a role of another kind, for nobody',
    set({ roleRef: { kind: 'User', name: 'x' }, subjects: [{ kind: 'Robot', name: 'r' }] }),
    [
      'roleRef.kind: Unsupported value: "User": supported values: "Role", "ClusterRole"',
      'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
    ],
  ],
  [
    'PriorityClass',
    'another value of a class every cluster has',
    (object) => Object.assign(object, { metadata: { name: 'system-node-critical' }, value: 5 }),
    [
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: value of system-node-critical PriorityClass must be 2000001000",
    ],
  ],
  [
    'PriorityClass',
    'an unknown policy',
    set({ preemptionPolicy: 'Sometimes' }),
    ['preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"'],
  ],
  [
    'Lease',
    'a strategy nobody knows, and a holder without one',
    spec({ strategy: 'Newest' }),
    ['spec.strategy.strategy: Unsupported value: "Newest": supported values: "OldestEmulationVersion"'],
  ],
  ['Lease', 'a strategy of somebody’s own', spec({ strategy: 'example.com/newest', preferredHolder: 'me' }), []],
  [
    'Lease',
    'a preferred holder without a strategy',
    spec({ preferredHolder: 'me' }),
    ['spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined'],
  ],
  [
    'RuntimeClass',
    'overhead out of form',
    set({ overhead: { podFixed: { cpu: '-1', things: '1' } } }),
    [
      'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      'overhead.limits[things]: Invalid value: "things": must be a standard resource type or fully qualified',
      'overhead.limits[things]: Invalid value: "things": must be a standard resource for containers',
    ],
  ],
  [
    'RuntimeClass',
    'a toleration twice',
    set({
      scheduling: {
        tolerations: [
          { key: 'a', operator: 'Exists' },
          { key: 'a', operator: 'Exists' },
        ],
      },
    }),
    ['scheduling.tolerations[1]: Duplicate value: {"Key":"a","Operator":"Exists","Value":"","Effect":"","TolerationSeconds":null}'],
  ],
  [
    'CSIDriver',
    'modes, tokens and times out of form',
    spec({
      volumeLifecycleModes: ['Eternal'],
      nodeAllocatableUpdatePeriodSeconds: 9,
      tokenRequests: [
        { audience: 'a', expirationSeconds: 5 },
        { audience: 'a', expirationSeconds: 5 },
        { audience: 'b', expirationSeconds: 2 ** 33 },
      ],
    }),
    [
      'spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes',
      'spec.tokenRequests[1].audience: Duplicate value: "a"',
      'spec.tokenRequests[2].expirationSeconds: Invalid value: 8589934592: may not specify a duration larger than 2^32 seconds',
      'spec.volumeLifecycleModes: Unsupported value: "Eternal": supported values: "Persistent", "Ephemeral"',
      'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds',
    ],
  ],
  [
    'CSIDriver',
    'tokens in secrets where none are asked for',
    spec({ serviceAccountTokenInSecrets: true }),
    ['spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified'],
  ],
  [
    'CSINode',
    'keys twice and nameless',
    driver({ topologyKeys: ['a', 'a', '-'], allocatable: { count: -1 } }),
    [
      'spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0',
      'spec.drivers[0]: Duplicate value: "a"',
      "spec.drivers[0]: Invalid value: \"-\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
  [
    'CSIStorageCapacity',
    'less than nothing',
    set({ capacity: '-1' }),
    ['capacity: Invalid value: "-1": must be greater than or equal to 0'],
  ],
  ['VolumeAttributesClass', 'no parameters', set({ parameters: { '': 'x' } }), ['parameters: Invalid value: "": field can not be empty.']],
  [
    'IPAddress',
    'a parent out of form',
    spec({ parentRef: { group: 'A', resource: '..', name: 'a%b', namespace: 'a/b' } }),
    [
      subdomain('spec.parentRef.group: Invalid value: "A": '),
      'spec.parentRef.resource: Invalid value: "..": may not be \'..\'',
      'spec.parentRef.name: Invalid value: "a%b": may not contain \'%\'',
      'spec.parentRef.namespace: Invalid value: "a/b": may not contain \'/\'',
    ],
  ],
  [
    'ServiceCIDR',
    'ranges out of form',
    spec({ cidrs: ['10.0.0.1/8'] }),
    ['spec.cidrs[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length'],
  ],
  [
    'APIService',
    'what a local one may not have',
    spec({ insecureSkipTLSVerify: true, caBundle: 'YWJj', groupPriorityMinimum: 0, versionPriority: 1001 }),
    [
      'spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000',
      'spec.versionPriority: Invalid value: 1001: must be positive and less than 1000',
      'spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle',
      'spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify',
    ],
  ],
  [
    'APIService',
    'a service of no name at no port',
    spec({ service: { port: 70000 }, insecureSkipTLSVerify: true, caBundle: 'YWJj' }),
    [
      'spec.service.namespace: Required value',
      'spec.service.name: Required value',
      'spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive',
      'spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present',
    ],
  ],
  [
    'EndpointSlice',
    'addresses out of form',
    slice({ addresses: ['127.0.0.1', '10.0.0.01', '2001:db8::1'] }),
    [
      'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'endpoints[0].addresses[1]: Invalid value: "10.0.0.01": must not have leading 0s',
      'endpoints[0].addresses[2]: Invalid value: "2001:db8::1": must be an IPv4 address',
    ],
  ],
  [
    'EndpointSlice',
    'names for addresses out of form',
    slice({ addresses: ['', 'short', 'ok.example.com.'] }, { addressType: 'FQDN' }),
    [
      'endpoints[0].addresses[0]: Required value',
      'endpoints[0].addresses[1]: Invalid value: "short": should be a domain with at least two segments separated by dots',
    ],
  ],
  [
    'EndpointSlice',
    'hints out of form',
    slice({ hints: { forZones: [{ name: 'a' }, { name: 'a' }, { name: '-' }], forNodes: [{ name: 'n' }] } }),
    [
      'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
      "endpoints[0].hints.forZones[2].name: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ],
  ],
  [
    'EndpointSlice',
    'more hints than are read',
    slice({ hints: { forZones: Array.from({ length: 9 }, (_, index) => ({ name: `z${index}` })), forNodes: [{ name: 'A' }] } }),
    ['endpoints[0].hints.forZones: Too many: 9: must have at most 8 items'],
  ],
  [
    'EndpointSlice',
    'ports out of form',
    slice({}, { ports: [{ name: 'a' }, { name: 'a', protocol: 'ICMP' }] }),
    ['ports[1].name: Duplicate value: "a"', 'ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    'CertificateSigningRequest',
    'usages twice and a signer of no domain',
    spec({ usages: ['client auth', 'client auth', 'flying'], signerName: 'signer' }),
    [
      'spec.usages[2]: Unsupported value: "flying": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"',
      'spec.usages[1]: Duplicate value: "client auth"',
      `spec.signerName: Invalid value: "signer": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
    ],
  ],
  [
    'CertificateSigningRequest',
    'a signer of one label, for no time',
    spec({ signerName: 'example/A', expirationSeconds: 5 }),
    [
      'spec.signerName: Invalid value: "example": should be a domain with at least two segments separated by dots',
      subdomain('spec.signerName: Invalid value: "A": validating label "A": '),
      'spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)',
    ],
  ],
  [
    'SubjectAccessReview',
    'selectors out of form',
    review({
      fieldSelector: { requirements: [{ key: '', operator: 'In' }] },
      labelSelector: {
        rawSelector: 'a=b',
        requirements: [
          { key: 'a', operator: 'Exists', values: ['b'] },
          { key: 'a', operator: 'Later', values: ['b'] },
        ],
      },
    }),
    [
      'spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be specified',
      "spec.resourceAttributes.fieldSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      'spec.resourceAttributes.labelSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements',
      "spec.resourceAttributes.labelSelector.requirements[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    ],
  ],
]

for (const [kind, what, change, expected] of rows)
  test(`${kind} ${expected.length > 0 ? 'refuses' : 'takes'} ${what}`, () => assert.deepEqual(createErrors(kindOf(kind), change), expected))

interface Update {
  change: Change
  before?: Change
  subresource?: string
}

const IMMUTABLE = 'field is immutable'
const updates: [kind: string, what: string, update: Update, expected: string[]][] = [
  [
    'CSINode',
    'where a driver is',
    { change: driver({ nodeID: 'other', allocatable: { count: 3 } }) },
    [`spec.drivers: Invalid value: {"Name":"d.example.com","NodeID":"other","TopologyKeys":null,"Allocatable":null}: ${IMMUTABLE}`],
  ],
  ['CSINode', 'how much fits', { change: driver({ allocatable: { count: 3 } }) }, []],
  [
    'VolumeAttributesClass',
    'its parameters',
    { change: set({ parameters: { iops: '2' } }) },
    ['parameters: Forbidden: updates to parameters are forbidden.'],
  ],
  ['ServiceCIDR', 'a second family', { change: spec({ cidrs: ['10.96.0.0/12', 'fd00::/108'] }) }, []],
  ['ServiceCIDR', 'its range', { change: spec({ cidrs: ['10.0.0.0/12'] }) }, [`spec.cidrs[0]: Invalid value: "10.0.0.0/12": ${IMMUTABLE}`]],
  [
    'ServiceCIDR',
    'a family taken away',
    { before: spec({ cidrs: ['10.96.0.0/12', 'fd00::/108'] }), change: spec({ cidrs: ['10.96.0.0/12'] }) },
    [`spec.cidrs: Invalid value: ["10.96.0.0/12"]: ${IMMUTABLE}`],
  ],
  [
    'IPAddress',
    'its parent',
    { change: (object) => (object.spec.parentRef.name = 't') },
    [`spec.parentRef: Invalid value: {"Group":"","Resource":"services","Namespace":"default","Name":"t"}: ${IMMUTABLE}`],
  ],
  ['PriorityClass', 'its value', { change: set({ value: 5 }) }, ['value: Forbidden: may not be changed in an update.']],
  [
    'APIService',
    'a state nobody knows',
    { subresource: 'status', change: (object) => (object.status = { conditions: [{ type: 'Available', status: 'Maybe' }] }) },
    ['status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"'],
  ],
  [
    'PodDisruptionBudget',
    'a condition without words',
    { subresource: 'status', change: (object) => (object.status.conditions = [{ type: 'A', status: 'True', lastTransitionTime: 'x' }]) },
    ['status.conditions[0].reason: Required value: must be set'],
  ],
  [
    'CertificateSigningRequest',
    'a decision by way of the status',
    { subresource: 'status', change: (object) => (object.status = { conditions: [{ type: 'Approved', status: 'True' }] }) },
    ['status.conditions: Forbidden: updates may not add a condition of type "Approved"'],
  ],
  [
    'CertificateSigningRequest',
    'two decisions',
    {
      subresource: 'approval',
      change: (object) => {
        const status = 'True'
        object.status = {
          conditions: [
            { type: 'Approved', status },
            { type: 'Denied', status: 'False' },
          ],
        }
      },
    },
    [
      'status.conditions[1].status: Unsupported value: "False": supported values: "True"',
      'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
    ],
  ],
  [
    'CertificateSigningRequest',
    'a certificate that is none',
    { subresource: 'status', change: (object) => (object.status = { certificate: Buffer.from('x').toString('base64') }) },
    ['status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block'],
  ],
]
for (const [kind, what, { change, ...options }, expected] of updates)
  test(`${kind} ${expected.length > 0 ? 'refuses to change' : 'changes'} ${what}`, () =>
    assert.deepEqual(updateErrors(kindOf(kind), change, options), expected))

test('EndpointSlice keeps topology only in endpoints that stay as they are', () => {
  const kind = kindOf('EndpointSlice')
  const slice: any = { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'], deprecatedTopology: { a: 'b' } }] }
  const same = structuredClone(slice)
  kind.prepareForUpdate!(same, slice, {} as never)
  assert.deepEqual(same, slice)
  const other = structuredClone(slice)
  other.endpoints.push({ addresses: ['10.0.0.2'] })
  kind.prepareForUpdate!(other, slice, {} as never)
  assert.equal(other.endpoints[0].deprecatedTopology, undefined)
})
