// One row a rule of the kinds that hold names, limits and places, in upstream's words and order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Change, createdObject, createErrors, type RuleRow, spec, testContext, updateErrors } from '#api/kinds/minimal-objects.ts'
import { ConfigMap } from './config-map.ts'
import { Endpoints } from './endpoints.ts'
import { CoreEvent } from './event.ts'
import { LimitRange } from './limit-range.ts'
import { Namespace } from './namespace.ts'
import { Node } from './node.ts'
import { ReplicationController } from './replication-controller.ts'
import { ResourceQuota } from './resource-quota.ts'
import { Secret } from './secret.ts'
import { Service } from './service.ts'

const limits = (fields: Record<string, unknown>): Change => spec({ limits: [{ type: 'Container', ...fields }] })
const scoped = (fields: Record<string, unknown>): Change => spec({ scopeSelector: { matchExpressions: [fields] } })
const base64 = (text: string) => Buffer.from(text).toString('base64')
const secret =
  (type: string, data: Record<string, string> = {}): Change =>
  (object) =>
    void Object.assign(object, {
      type,
      stringData: undefined,
      data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, base64(text)])),
    })

const balanced = (fields: Record<string, unknown> = {}) => spec({ type: 'LoadBalancer', ...fields })
const BALANCERS = "Forbidden: may only be used when `type` is 'LoadBalancer'"

const rows: RuleRow[] = [
  [Service, 'the port of the kubelet at a balancer', balanced({ ports: [{ port: 10250 }] }), []],
  [
    Service,
    'a port twice',
    spec({
      ports: [
        { name: 'a', port: 80, targetPort: 1 },
        { name: 'b', port: 80, targetPort: 2 },
      ],
    }),
    ['spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}'],
  ],
  [
    Service,
    'a node port twice, told after the names',
    spec({
      type: 'NodePort',
      ports: [
        { port: 80, nodePort: 30000 },
        { port: 81, nodePort: 30000 },
      ],
    }),
    ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value', 'spec.ports[1].nodePort: Duplicate value: 30000'],
  ],
  [
    Service,
    'no protocol known',
    spec({ ports: [{ port: 80, protocol: 'X' }] }),
    ['spec.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    Service,
    'an external name with an address and families',
    spec({
      type: 'ExternalName',
      externalName: 'a_b',
      clusterIP: '10.0.0.1',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [],
    }),
    [
      'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
      'spec.ipFamilies: Forbidden: may not be set for ExternalName services',
      'spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services',
      `spec.externalName: Invalid value: "a_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    ],
  ],
  [
    Service,
    'a balancer without an address',
    balanced({ clusterIP: 'None' }),
    ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for LoadBalancer services'],
  ],
  [
    Service,
    'affinity without its configuration',
    (s) => {
      s.spec.sessionAffinity = 'Other'
      s.spec.type = 'Other'
    },
    [
      'spec.sessionAffinity: Unsupported value: "Other": supported values: "ClientIP", "None"',
      'spec.type: Unsupported value: "Other": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
  ],
  [
    Service,
    'families that are none, or twice',
    spec({ ipFamilies: ['IPv5', 'IPv4', 'IPv4'], ipFamilyPolicy: 'Some' }),
    [
      'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
      'spec.ipFamilies[2]: Duplicate value: "IPv4"',
      'spec.ipFamilyPolicy: Unsupported value: "Some": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
    ],
  ],
  [
    Service,
    'no addresses but the first',
    spec({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', 'None', '10.0.0.2'] }),
    [
      'spec.clusterIPs[1]: Invalid value: "None": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'spec.clusterIPs: Invalid value: ["10.0.0.1","None","10.0.0.2"]: may only hold up to 2 values',
    ],
  ],
  [
    Service,
    'an address of the other family',
    spec({ clusterIP: '10.0.0.1', ipFamilies: ['IPv6'] }),
    ['spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'],
  ],
  [
    Service,
    'what only balancers have',
    spec({ loadBalancerSourceRanges: [' 10.0.0.1/8'], allocateLoadBalancerNodePorts: true, loadBalancerClass: 'a' }),
    [
      `spec.LoadBalancerSourceRanges: ${BALANCERS}`,
      'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length',
      `spec.allocateLoadBalancerNodePorts: ${BALANCERS}`,
      `spec.loadBalancerClass: ${BALANCERS}`,
    ],
  ],
  [
    Service,
    'ranges in the old annotation',
    (s) => (s.metadata.annotations = { 'service.beta.kubernetes.io/load-balancer-source-ranges': '10.0.0.0/8, x' }),
    [
      `metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: ${BALANCERS}`,
      'metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    ],
  ],
  [
    Service,
    'a health check without a port, and none that needs it',
    balanced({ externalTrafficPolicy: 'Local' }),
    ['spec.healthCheckNodePort: Required value'],
  ],
  [
    Service,
    'policies of traffic that are none',
    spec({ type: 'NodePort', externalTrafficPolicy: 'A', internalTrafficPolicy: 'B', trafficDistribution: 'C', healthCheckNodePort: 5 }),
    [
      'spec.externalTrafficPolicy: Unsupported value: "A": supported values: "Cluster", "Local"',
      "spec.healthCheckNodePort: Invalid value: 5: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      'spec.internalTrafficPolicy: Unsupported value: "B": supported values: "Cluster", "Local"',
      'spec.trafficDistribution: Unsupported value: "C": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ],
  ],
  [
    ResourceQuota,
    'a scope that does not fit',
    spec({ scopes: ['BestEffort', 'NotBestEffort', 'Odd'], hard: { pods: '1', 'requests.cpu': '1', 'a.b/c': '1' } }),
    [
      'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: unsupported scope applied to resource',
      'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: unsupported scope',
      'spec.scopes: Invalid value: ["BestEffort","NotBestEffort","Odd"]: conflicting scopes',
    ],
  ],
  [
    ResourceQuota,
    'a class of attributes',
    (q) => {
      spec({ hard: { persistentvolumeclaims: '1', 'requests.storage': '1Gi' } })(q)
      scoped({ scopeName: 'VolumeAttributesClass', operator: 'Exists' })(q)
    },
    [],
  ],
  [
    ResourceQuota,
    'a selector of a scope with values',
    scoped({ scopeName: 'Terminating', operator: 'In' }),
    [
      'spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be \'Exists\' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity',
      "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
    ],
  ],
  [
    ResourceQuota,
    'values that nothing compares',
    scoped({ scopeName: 'PriorityClass', operator: 'Exists', values: ['a'] }),
    [
      "spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
    ],
  ],
  [
    ResourceQuota,
    'an unknown operator',
    scoped({ scopeName: 'PriorityClass', operator: 'Gt' }),
    ['spec.scopeSelector.matchExpressions.operator: Invalid value: "Gt": not a valid selector operator'],
  ],
  [
    ResourceQuota,
    'half a pod, and less than none',
    spec({ hard: { pods: '1500m', cpu: '-1' } }),
    [
      'spec.hard[pods]: Invalid value: "1500m": must be an integer',
      'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ],
  ],
  [
    LimitRange,
    'an unknown type',
    limits({ type: 'Node' }),
    ['spec.limits[0].type: Invalid value: "Node": must be a standard limit type or fully qualified'],
  ],
  [LimitRange, 'a type of its own', limits({ type: 'example.com/thing', max: { storage: '1' } }), []],
  [
    LimitRange,
    'storage of a container',
    limits({ max: { storage: '1' } }),
    [
      'spec.limits[0].max[storage]: Invalid value: "storage": must be a standard resource for containers',
      'spec.limits[0].default[storage]: Invalid value: "storage": must be a standard resource for containers',
      'spec.limits[0].defaultRequest[storage]: Invalid value: "storage": must be a standard resource for containers',
    ],
  ],
  [
    LimitRange,
    'defaults above what they may be',
    limits({ max: { cpu: '1' }, default: { cpu: '2' }, defaultRequest: { cpu: '3' } }),
    [
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than max value 1',
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than default limit value 2',
      'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
    ],
  ],
  [
    LimitRange,
    'a ratio beyond the bounds',
    limits({ type: 'Pod', max: { cpu: '3' }, min: { cpu: '2' }, maxLimitRequestRatio: { cpu: '2' } }),
    ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "2": ratio 2 is greater than max/min = 1.500000'],
  ],
  [
    LimitRange,
    'promising what cannot be shared',
    limits({ default: { 'a.com/gpu': '2' }, defaultRequest: { 'a.com/gpu': '1' } }),
    ['spec.limits[0].defaultRequest[a.com/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in a.com/gpu'],
  ],
  [
    LimitRange,
    'claims without a bound',
    limits({ type: 'PersistentVolumeClaim', default: { storage: '1' } }),
    ['spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided'],
  ],
  [
    Node,
    'an unknown effect',
    spec({ taints: [{ key: 'a', effect: 'Odd' }, { key: 'b' }] }),
    [
      'metadata.taints[0].effect: Unsupported value: "Odd": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      'metadata.taints[1].effect: Required value',
    ],
  ],
  [
    Node,
    'ranges of one family',
    spec({ podCIDRs: ['10.0.0.0/24', '10.1.0.1/24'] }),
    [
      'spec.podCIDRs[1]: Invalid value: "10.1.0.1/24": must not have bits set beyond the prefix length',
      'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.1.0.1/24"]: may specify no more than one CIDR for each IP family',
    ],
  ],
  [
    Node,
    'a capacity below zero',
    (n) => (n.status = { capacity: { cpu: '-1' }, allocatable: { cpu: '1' }, declaredFeatures: ['b', 'A', 'A'] }),
    [
      'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
      'status.declaredFeatures[0]: Invalid value: "b": invalid feature name "b": must start with an UpperCamelCase segment, with subsequent segments separated by \'/\' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes',
      'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
      'status.declaredFeatures[2]: Duplicate value: "A"',
    ],
  ],
  [
    Secret,
    'a configuration that is no object',
    secret('kubernetes.io/dockerconfigjson', { '.dockerconfigjson': '[]' }),
    [
      'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": json: cannot unmarshal array into Go value of type map[string]interface {}',
    ],
  ],
  [
    Secret,
    'a configuration that is no JSON',
    secret('kubernetes.io/dockercfg', { '.dockercfg': 'x' }),
    ['data[.dockercfg]: Invalid value: "<secret contents redacted>": invalid character \'x\' looking for beginning of value'],
  ],
  [Secret, 'a password alone', secret('kubernetes.io/basic-auth', { password: 'x' }), []],
  [
    Secret,
    'neither name nor password',
    secret('kubernetes.io/basic-auth'),
    ['data[username]: Required value', 'data[password]: Required value'],
  ],
  [Secret, 'an empty key', secret('kubernetes.io/ssh-auth', { 'ssh-privatekey': '' }), ['data[ssh-privatekey]: Required value']],
  [
    Endpoints,
    'what is no address',
    (e) =>
      (e.subsets[0].addresses = [
        { ip: 'x', hostname: 'a.b' },
        { ip: '169.254.1.1', nodeName: 'n_m' },
      ]),
    [
      'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'subsets[0].addresses[0].hostname: Invalid value: "a.b": must not contain dots',
      'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
      `subsets[0].addresses[1].nodeName: Invalid value: "n_m": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      'subsets[0].addresses[1].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ],
  ],
  [
    CoreEvent,
    'a new event from nobody',
    (e) =>
      Object.assign(e, { eventTime: '2026-01-01T00:00:00.000000Z', involvedObject: { namespace: 'other' }, message: 'x'.repeat(1025) }),
    [
      'reportingComponent: Required value',
      'reportingComponent: Invalid value: "": name part must be non-empty',
      `reportingComponent: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'reportingInstance: Required value',
      'action: Required value',
      'message: Invalid value: "": can have at most 1024 characters',
    ],
  ],
  [
    ReplicationController,
    'pods that end',
    (c) => Object.assign(c.spec.template.spec, { restartPolicy: 'Never', activeDeadlineSeconds: 5 }),
    [
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
    ],
  ],
]

for (const [kind, what, change, expected] of rows)
  test(`${kind.kind} ${expected.length > 0 ? 'refuses' : 'takes'} ${what}`, () => assert.deepEqual(createErrors(kind, change), expected))

type Update = [...RuleRow, options?: { before?: Change; subresource?: string }]
const allocated = spec({ clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
const both = spec({
  clusterIP: '10.96.0.10',
  clusterIPs: ['10.96.0.10', 'fd00::1'],
  ipFamilies: ['IPv4', 'IPv6'],
  ipFamilyPolicy: 'RequireDualStack',
})

const updates: Update[] = [
  [
    Service,
    'the second address without its policy',
    spec({ clusterIPs: ['10.96.0.10'], ipFamilies: ['IPv4'] }),
    [
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be set to \'SingleStack\' when releasing the secondary clusterIP',
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be set to \'SingleStack\' when releasing the secondary ipFamily',
    ],
    { before: both },
  ],
  [Service, 'the second address', allocated, [], { before: both }],
  [Service, 'a second address that comes', both, [], { before: allocated }],
  [
    Service,
    'the family',
    spec({ ipFamilies: ['IPv6'] }),
    [
      'spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set',
      'spec.clusterIPs[0]: Invalid value: "10.96.0.10": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ],
    { before: allocated },
  ],
  [
    Service,
    'the class of a balancer',
    spec({ loadBalancerClass: 'b.com/c' }),
    ['spec.loadBalancerClass: Invalid value: "b.com/c": may not change once set'],
    { before: balanced({ loadBalancerClass: 'a.com/c' }) },
  ],
  [
    Service,
    'the port of health checks',
    spec({ healthCheckNodePort: 30001 }),
    ['spec.healthCheckNodePort: Forbidden: field is immutable'],
    { before: balanced({ externalTrafficPolicy: 'Local', healthCheckNodePort: 30000 }) },
  ],
  [
    Service,
    'addresses outside that it cannot have',
    (s) => (s.status = { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } }),
    ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"],
    { subresource: 'status' },
  ],
  [
    Service,
    'addresses outside',
    (s) => (s.status = { loadBalancer: { ingress: [{ ip: '01.2.3.4', ipMode: 'X' }, { hostname: '1.2.3.4' }, { ipMode: 'VIP' }] } }),
    [
      'status.loadBalancer.ingress[0].ip: Invalid value: "01.2.3.4": must not have leading 0s',
      'status.loadBalancer.ingress[0].ipMode: Unsupported value: "X": supported values: "Proxy", "VIP"',
      'status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
      'status.loadBalancer.ingress[2].ipMode: Forbidden: may not be specified when `ip` is not set',
    ],
    { before: balanced(), subresource: 'status' },
  ],
  [
    ResourceQuota,
    'the scopes',
    spec({ scopes: ['Terminating'], hard: { pods: '1' } }),
    ['spec.scopes: Invalid value: ["Terminating"]: field is immutable'],
  ],
  [
    Node,
    'names of its own',
    (n) => {
      n.spec = { providerID: 'b', externalID: 'c' }
      n.status.addresses = [1, 2].map(() => ({ type: 'Hostname', address: 'h' }))
    },
    [
      'status.addresses[1]: Duplicate value: {"Type":"Hostname","Address":"h"}',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
      'spec.externalID: Forbidden: may not be updated',
    ],
    {
      before: (n) => {
        n.spec = { providerID: 'a' }
        n.status = {}
      },
    },
  ],
  [
    Namespace,
    'finalizers',
    (n) => (n.spec = { finalizers: ['kubernetes', 'other'] }),
    ['spec.finalizers[1]: Invalid value: "other": name is neither a standard finalizer name nor is it fully qualified'],
    { subresource: 'finalize' },
  ],
  [
    ConfigMap,
    'that it is frozen',
    (c) => Object.assign(c, { immutable: false, data: { 'a b': '' } }),
    [
      'immutable: Forbidden: field is immutable when `immutable` is set',
      'data: Forbidden: field is immutable when `immutable` is set',
      `data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
    ],
    { before: (c) => (c.immutable = true) },
  ],
  [
    Endpoints,
    'labels beside an address no longer taken',
    (e) => (e.metadata.labels = { a: 'b' }),
    [],
    {
      before: (e) => (e.subsets[0].addresses[0].ip = '127.0.0.1'),
    },
  ],
]

for (const [kind, what, change, expected, options] of updates)
  test(`${kind.kind} update of ${what} ${expected.length > 0 ? 'is refused' : 'is taken'}`, () =>
    assert.deepEqual(updateErrors(kind, change, options), expected))

test('Service causes carry the reasons of upstream', () => {
  const service = createdObject(Service, spec({ type: 'ExternalName', clusterIP: 'None', ports: [{ port: 0, protocol: 'X' }] }))
  assert.deepEqual(
    Service.validate!(service, undefined, testContext).map(({ type, field }) => [type, field]),
    [
      ['FieldValueForbidden', 'spec.clusterIPs'],
      ['FieldValueRequired', 'spec.externalName'],
      ['FieldValueInvalid', 'spec.ports[0].port'],
      ['FieldValueNotSupported', 'spec.ports[0].protocol'],
      ['FieldValueInvalid', 'spec.ports[0].targetPort'],
    ],
  )
})
