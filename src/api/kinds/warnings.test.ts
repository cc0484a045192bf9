// One row a warning, in upstream's words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import { type Change, createdObject, spec } from './minimal-objects.ts'

type Row = [kind: string, what: string, change: Change, expected: string[]]

const kindOf = (name: string): Kind => builtinKinds.find(({ kind, version }) => kind === name && version !== 'v2')!
const warningsOf = (name: string, change?: Change) => kindOf(name).warnings?.(createdObject(kindOf(name), change)) ?? []
const container = (fields: Record<string, unknown>): Change => spec({ containers: [{ name: 'c', image: 'i', ...fields }] })
const volume = (fields: Record<string, unknown>): Change => spec({ volumes: [{ name: 'v', ...fields }] })
const annotated =
  (key: string): Change =>
  (object) =>
    (object.metadata.annotations = { [key]: 'x' })
const files = (...paths: string[]) => paths.map((path) => ({ key: 'k', path }))
const label = (text: string) =>
  `[a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${text}')]`

const ofPods: [what: string, change: Change, expected: string[]][] = [
  [
    'a name of several labels',
    (pod) => (pod.metadata.name = 'a.b'),
    [
      "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
    ],
  ],
  [
    'a selector by an old label',
    spec({ nodeSelector: { 'beta.kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' } }),
    ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
  ],
  [
    'affinity by an old label',
    spec({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              {},
              {
                matchExpressions: [
                  { key: 'a', operator: 'Exists' },
                  { key: 'failure-domain.beta.kubernetes.io/zone', operator: 'Exists' },
                ],
              },
            ],
          },
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [{ key: 'a', operator: 'In', values: ['ok', '-'] }] } },
          ],
        },
      },
    }),
    [
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[1].matchExpressions[1].key: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
      "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].values[1]: - is invalid, a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ],
  ],
  [
    'spreading by an old label and without a selector',
    spec({
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'failure-domain.beta.kubernetes.io/region', whenUnsatisfiable: 'DoNotSchedule' },
      ],
    }),
    [
      'spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/region is deprecated since v1.17; use "topology.kubernetes.io/region" instead',
      'spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod',
    ],
  ],
  [
    'an annotation nobody reads',
    annotated('scheduler.alpha.kubernetes.io/critical-pod'),
    [
      'metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead',
    ],
  ],
  [
    'profiles by annotation',
    (pod) => {
      pod.metadata.annotations = {
        'seccomp.security.alpha.kubernetes.io/pod': 'runtime/default',
        'container.seccomp.security.alpha.kubernetes.io/c': 'runtime/default',
      }
    },
    [
      'metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the "seccompProfile" field instead',
      'metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: non-functional in v1.27+; use the "seccompProfile" field instead',
    ],
  ],
  ['a volume of a plugin that is gone', volume({ rbd: {} }), ['spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+']],
  ['gitRepo', volume({ gitRepo: {} }), ['spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+']],
  ['storageos', volume({ storageos: {} }), ['spec.volumes[0].storageOS: deprecated in v1.22, non-functional in v1.25+']],
  [
    'a claim of half a byte',
    volume({ ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage: '1500m' } } } } } }),
    [
      'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
    ],
  ],
  [
    'one file twice',
    volume({ configMap: { name: 'm', items: files('a', 'b', 'a/') } }),
    ['volume "v" (ConfigMap "m"): overlapping paths: "a" with "a"'],
  ],
  [
    'a file where a folder is',
    volume({ secret: { secretName: 's', items: files('a/b', 'a', 'ab') } }),
    ['volume "v" (Secret "s"): overlapping paths: "a" with "a/b"'],
  ],
  [
    'sources of one volume in each other’s way',
    volume({
      projected: {
        sources: [
          {},
          { configMap: { name: 'm', items: files('token') } },
          { serviceAccountToken: { path: 'token' } },
          { secret: { name: 's', items: files('other') } },
        ],
      },
    }),
    [
      'volume "v" (Projected) has no sources provided',
      'volume "v" (Projected): overlapping paths: "token" (ServiceAccountToken) with "token" (ConfigMap "m")',
    ],
  ],
  [
    'aliases and pull secrets twice',
    spec({ hostAliases: [{ ip: '10.0.0.1' }, { ip: '10.0.0.1' }], imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}] }),
    [
      'spec.hostAliases[1].ip: duplicate ip "10.0.0.1"',
      'spec.imagePullSecrets[1].name: duplicate name "a"',
      'spec.imagePullSecrets[2].name: invalid empty name ""',
    ],
  ],
  [
    'parts of bytes',
    container({ resources: { limits: { memory: '100m' }, requests: { memory: '100m', 'ephemeral-storage': '0.5' } } }),
    [
      'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
      'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
      'spec.containers[0].resources.requests[ephemeral-storage]: fractional byte value "500m" is invalid, must be an integer',
    ],
  ],
  [
    'variables told again',
    container({
      env: [
        { name: 'A', value: 'a' },
        { name: 'A', value: '$(A)b' },
        { name: 'A', value: '$(A)' },
        { name: 'A', value: 'c' },
        { name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      ],
    }),
    [2, 3, 4].map((index) => `spec.containers[0].env[${index}]: hides previous definition of "A", which may be dropped when using apply`),
  ],
  [
    'ports told again',
    spec({
      initContainers: [{ name: 'i', image: 'i', ports: [{ containerPort: 80, name: 'http' }] }],
      containers: [
        {
          name: 'c',
          image: 'i',
          ports: [
            { containerPort: 80, name: 'http' },
            { containerPort: 80, hostPort: 80, hostIP: '10.0.0.1' },
            { containerPort: 80, hostPort: 80 },
            { containerPort: 81, hostIP: '10.0.0.1' },
          ],
        },
      ],
    }),
    [
      'spec.containers[0].ports[0]: duplicate port definition with spec.initContainers[0].ports[0]',
      'spec.containers[0].ports[1]: overlapping port definition with spec.initContainers[0].ports[0]',
      'spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]',
      'spec.containers[0].ports[2]: overlapping port definition with spec.initContainers[0].ports[0]',
      'spec.containers[0].ports[2]: overlapping port definition with spec.containers[0].ports[0]',
      'spec.containers[0].ports[2]: dangerously ambiguous port definition with spec.containers[0].ports[1]',
      'spec.containers[0].ports[3]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:81 Protocol:TCP HostIP:10.0.0.1}',
      'spec.containers[0].ports[0]: duplicate port name "http" with spec.initContainers[0].ports[0], services and probes that select ports by name will use spec.initContainers[0].ports[0]',
    ],
  ],
  [
    'less than no grace',
    spec({ terminationGracePeriodSeconds: -1 }),
    ['spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1'],
  ],
  [
    'company of nobody',
    spec({
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'a' }] },
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: { topologyKey: 'a' } }],
        },
      },
    }),
    [
      'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: a null labelSelector results in matching no pod',
      'spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: a null labelSelector results in matching no pod',
    ],
  ],
  [
    'addresses as nobody writes them',
    spec({ dnsConfig: { nameservers: ['1.1.1.1', '2001:DB8::1'] }, hostAliases: [{ ip: '2001:db8:0:0::2' }] }),
    [
      'spec.dnsConfig.nameservers[1]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
      'spec.hostAliases[0].ip: IPv6 address "2001:db8:0:0::2" should be in RFC 5952 canonical format ("2001:db8::2")',
    ],
  ],
]

const NAMES =
  'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: '
const dotted: Change = (object) => (object.metadata.name = 'a.b')
const RECYCLE =
  'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.'
const TOO_LARGE =
  'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail'
const huge = { completionMode: 'Indexed', completions: 100_001, parallelism: 10_001 }

const rows: Row[] = [
  ...ofPods.map(([what, change, expected]): Row => ['Pod', what, change, expected]),
  ...['Deployment', 'ReplicaSet', 'ReplicationController', 'Job', 'CronJob'].map(
    (kind): Row => [kind, 'a name of several labels', dotted, [`${NAMES}[must not contain dots]`]],
  ),
  ['DaemonSet', 'a name of several labels', dotted, []],
  ['ReplicaSet', 'a name that is no label', (set) => (set.metadata.name = 'A'), [NAMES + label('[a-z0-9]([-a-z0-9]*[a-z0-9])?')]],
  [
    'Deployment',
    'a template with a profile by annotation',
    ({ spec: { template } }) => (template.metadata.annotations = { 'container.apparmor.security.beta.kubernetes.io/c': 'runtime/default' }),
    [
      'spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "appArmorProfile" field instead',
    ],
  ],
  [
    'Deployment',
    'a template with less than no grace',
    (deployment) => (deployment.spec.template.spec.terminationGracePeriodSeconds = -1),
    ['spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1'],
  ],
  [
    'PodTemplate',
    'a template by an old label',
    (object) => (object.template.spec.nodeSelector = { 'beta.kubernetes.io/arch': 'arm64' }),
    ['template.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ],
  [
    'StatefulSet',
    'claims of parts of bytes and endless history',
    (set) => {
      set.spec.revisionHistoryLimit = -1
      set.spec.volumeClaimTemplates[0].spec.resources.requests.storage = '1500m'
    },
    [
      'spec.volumeClaimTemplates[0].resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
      'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
    ],
  ],
  ['Job', 'more indexes than can be kept', spec(huge), [`spec: ${TOO_LARGE}`]],
  [
    'CronJob',
    'more indexes than can be kept',
    (job) => Object.assign(job.spec.jobTemplate.spec, huge),
    [`spec.jobTemplate.spec: ${TOO_LARGE}`],
  ],
  [
    'Service',
    'what a headless service ignores',
    spec({ clusterIP: 'None', type: 'ClusterIP', loadBalancerIP: '10.0.0.1', externalIPs: ['10.0.0.2'], sessionAffinity: 'ClientIP' }),
    [
      'spec.loadBalancerIP is ignored for headless services',
      'spec.externalIPs is ignored for headless services',
      'spec.SessionAffinity is ignored for headless services',
    ],
  ],
  [
    'Service',
    'what a name ignores',
    spec({ type: 'ExternalName', externalName: 'a.example.com', externalIPs: ['10.0.0.2'] }),
    ['spec.externalIPs is ignored when spec.type is "ExternalName"'],
  ],
  [
    'Service',
    'a name that is ignored, and the old word for a zone',
    spec({ externalName: 'a.example.com', trafficDistribution: 'PreferClose' }),
    [
      'spec.externalName is ignored when spec.type is not "ExternalName"',
      'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
    ],
  ],
  [
    'Service',
    'ranges as nobody writes them, and the old annotation',
    (service) => {
      service.metadata.annotations = { 'service.kubernetes.io/topology-aware-hints': 'auto' }
      Object.assign(service.spec, { type: 'LoadBalancer', loadBalancerSourceRanges: ['2001:DB8::/32'] })
    },
    [
      'annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead',
      'spec.loadBalancerSourceRanges[0]: IPv6 CIDR value "2001:DB8::/32" should be in RFC 5952 canonical format ("2001:db8::/32")',
    ],
  ],
  [
    'PersistentVolume',
    'what is on its way out',
    (volume) => {
      volume.metadata.annotations = { 'volume.beta.kubernetes.io/storage-class': 'x' }
      const terms = [{ matchExpressions: [{ key: 'beta.kubernetes.io/os', operator: 'Exists' }] }]
      Object.assign(volume.spec, {
        persistentVolumeReclaimPolicy: 'Recycle',
        cephfs: {},
        nodeAffinity: { required: { nodeSelectorTerms: terms } },
      })
    },
    [
      'metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead',
      RECYCLE,
      'spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead',
      'spec.cephfs: deprecated in v1.28, non-functional in v1.31+',
    ],
  ],
  [
    'PersistentVolumeClaim',
    'parts of bytes',
    (claim) => (claim.spec.resources.requests.storage = '0.5'),
    ['spec.resources.requests[storage]: fractional byte value "500m" is invalid, must be an integer'],
  ],
  [
    'ServiceAccount',
    'secrets it may mount',
    annotated('kubernetes.io/enforce-mountable-secrets'),
    [
      'metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets',
    ],
  ],
  [
    'Node',
    'what is gone',
    (node) => (node.spec = { externalID: 'x', configSource: {}, podCIDRs: ['fd00:0::/64'] }),
    [
      'spec.configSource: the feature is no longer supported',
      'spec.externalID: this field is deprecated, and is unused by Kubernetes',
      'spec.podCIDRs[0]: IPv6 CIDR value "fd00:0::/64" should be in RFC 5952 canonical format ("fd00::/64")',
    ],
  ],
  [
    'Ingress',
    'its class by annotation',
    annotated('kubernetes.io/ingress.class'),
    ['annotation "kubernetes.io/ingress.class" is deprecated, please use \'spec.ingressClassName\' instead'],
  ],
  [
    'Ingress',
    'its class by annotation and by name',
    (ingress) => {
      annotated('kubernetes.io/ingress.class')(ingress)
      ingress.spec.ingressClassName = 'x'
    },
    [],
  ],
  [
    'NetworkPolicy',
    'ranges as nobody writes them',
    spec({ ingress: [{ from: [{ ipBlock: { cidr: 'FD00::/8', except: ['fd00:0::/16'] } }] }] }),
    [
      'spec.ingress[0].from[0].ipBlock.cidr: IPv6 CIDR value "FD00::/8" should be in RFC 5952 canonical format ("fd00::/8")',
      'spec.ingress[0].from[0].ipBlock.except[0]: IPv6 CIDR value "fd00:0::/16" should be in RFC 5952 canonical format ("fd00::/16")',
    ],
  ],
  [
    'EndpointSlice',
    'names for addresses',
    (slice) => Object.assign(slice, { addressType: 'FQDN', endpoints: [{ addresses: ['a.example.com'] }] }),
    ['spec.addressType: FQDN endpoints are deprecated'],
  ],
  [
    'Endpoints',
    'addresses as nobody writes them',
    (endpoints) => (endpoints.subsets = [{ notReadyAddresses: [{ ip: 'FD00::1' }] }]),
    ['subsets[0].notReadyAddresses[0].ip: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")'],
  ],
  [
    'StorageClass',
    'topology by an old label',
    (object) =>
      (object.allowedTopologies = [{ matchLabelExpressions: [{ key: 'failure-domain.beta.kubernetes.io/zone', values: ['a'] }] }]),
    ['allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use "topology.kubernetes.io/zone" instead'],
  ],
  [
    'CSIStorageCapacity',
    'topology by old labels',
    (object) => {
      const matchExpressions = [{ key: 'beta.kubernetes.io/instance-type', operator: 'Exists' }]
      object.nodeTopology = { matchLabels: { 'beta.kubernetes.io/os': 'linux' }, matchExpressions }
    },
    [
      'nodeTopology.matchExpressions[0].key: beta.kubernetes.io/instance-type is deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
      'nodeTopology.matchLabels.beta.kubernetes.io/os: deprecated since v1.14; use "kubernetes.io/os" instead',
    ],
  ],
  [
    'RuntimeClass',
    'nodes by an old label',
    (object) => (object.scheduling = { nodeSelector: { 'beta.kubernetes.io/arch': 'arm64' } }),
    ['scheduling.nodeSelector: deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ],
  [
    'Secret',
    'a key that is none',
    (secret) => Object.assign(secret, { type: 'kubernetes.io/tls', stringData: { 'tls.crt': '', 'tls.key': '' } }),
    ['tls: failed to find any PEM data in certificate input'],
  ],
]

for (const [kind, what, change, expected] of rows)
  test(`${kind} warns of ${what}`, () => assert.deepEqual(warningsOf(kind, change), expected))

test('kinds warn of nothing in the least they accept', () => {
  for (const kind of builtinKinds) if (kind.warnings) assert.deepEqual(kind.warnings(createdObject(kind)), [], kind.kind)
})

test('workloads warn of their templates again only where something changed', () => {
  const kind = kindOf('Deployment')
  const before = createdObject(kind, (object) => (object.spec.template.spec.terminationGracePeriodSeconds = -1))
  before.metadata = { ...before.metadata!, generation: 1, name: 'a.b' }
  assert.equal(kind.warnings!(before, structuredClone(before)).length, 0)
  const after = { ...before, metadata: { ...before.metadata, generation: 2 } }
  assert.match(kind.warnings!(after, before).join(), /^spec.template.spec.terminationGracePeriodSeconds: must be >= 0[^,]*$/)
})

test('pods, ingresses and service accounts are warned of once', () => {
  const change: Record<string, Change> = {
    Pod: spec({ terminationGracePeriodSeconds: -1 }),
    Ingress: annotated('kubernetes.io/ingress.class'),
    ServiceAccount: annotated('kubernetes.io/enforce-mountable-secrets'),
  }
  for (const [name, made] of Object.entries(change)) {
    const object = createdObject(kindOf(name), made)
    assert.deepEqual(kindOf(name).warnings!(object, structuredClone(object)), [], name)
  }
})

test('what every two of very many would be warned of is not looked for', () => {
  const ports = Array.from({ length: 3000 }, () => ({ containerPort: 80 }))
  assert.ok(warningsOf('Pod', container({ ports })).length < 200_000)
  const items = files(...Array.from({ length: 3000 }, () => 'a'))
  assert.ok(warningsOf('Pod', volume({ configMap: { name: 'm', items } })).length < 200_000)
})

test('overlapping files of very many volumes are told in part', () => {
  const volumes = Array.from({ length: 100 }, (_, i) => ({
    name: `v${i}`,
    configMap: { name: 'm', items: files(...Array(200).fill('a')) },
  }))
  assert.ok(warningsOf('Pod', spec({ volumes })).length < 10_000)
})

test('rows of slashes in a path of any length are passed over', () => {
  const paths = [`${'/'.repeat(500_000)}a`, `b${'/'.repeat(500_000)}`, 'b']
  const expected = ['volume "v" (ConfigMap "m"): overlapping paths: "b" with "b"']
  assert.deepEqual(warningsOf('Pod', volume({ configMap: { name: 'm', items: files(...paths) } })), expected)
})
