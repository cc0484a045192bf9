import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podInfoOf } from '#scheduler/pod-info.ts'
import { defaultProfile, type Profile } from '#scheduler/profile.ts'
import { clusterOf, nodeOf, outcome, podOf } from '#scheduler/testing.ts'
import { parseSchedulerConfiguration } from './configuration.ts'

const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n'
const noFiles = (path: string): string => {
  throw new Error(`open ${path}: no such file or directory`)
}
/** The fields as flow YAML below the head. */
const file = (fields: Record<string, unknown>) =>
  parseSchedulerConfiguration(
    HEAD +
      Object.entries(fields)
        .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
        .join(''),
    noFiles,
  )
const first = (fields: Record<string, unknown>): Profile => file({ profiles: [fields] }).profiles[0]!
const plugins = ({ plugins: list }: Profile) => list.map(({ plugin, weight }) => `${plugin.name} ${weight}`)
const args = (name: string, own: object) => ({ pluginConfig: [{ name, args: own }] })

test('parseSchedulerConfiguration of nothing further is the default profile', () => {
  const { profiles, extenders, podInitialBackoffMs, podMaxBackoffMs } = file({})
  assert.equal(profiles.length, 1)
  assert.equal(profiles[0]!.schedulerName, 'default-scheduler')
  assert.deepEqual(plugins(profiles[0]!).toSorted(), plugins(defaultProfile()).toSorted())
  assert.deepEqual([extenders, podInitialBackoffMs, podMaxBackoffMs], [[], 1000, 10_000])
})

test('parseSchedulerConfiguration takes an empty list of profiles for none', () => {
  assert.equal(file({ profiles: [] }).profiles[0]!.schedulerName, 'default-scheduler')
})

test('parseSchedulerConfiguration takes what is null for absent', () => {
  const nothing = { profiles: null, extenders: null, leaderElection: null, clientConnection: null, percentageOfNodesToScore: null }
  assert.equal(file(nothing).leaderElection, undefined)
  const sets = { multiPoint: null, score: { enabled: null, disabled: null } }
  const fit = args('NodeResourcesFit', { scoringStrategy: { type: 'MostAllocated', resources: null } })
  assert.deepEqual(plugins(first({ plugins: sets, ...fit })).toSorted(), plugins(defaultProfile()).toSorted())
  assert.equal(first({ pluginConfig: [{ name: 'NodeResourcesFit', args: null }] }).schedulerName, 'default-scheduler')
})

test('parseSchedulerConfiguration minds nothing about an election nobody stands for', () => {
  assert.equal(
    file({ leaderElection: { leaderElect: false, leaseDuration: '5s', resourceLock: 'endpoints' } }).leaderElection!.leaderElect,
    false,
  )
})

test('parseSchedulerConfiguration has extenders vouched for where the file says by whom', () => {
  const tlsOf = (own: object) => file({ extenders: [{ urlPrefix: 'https://e', ...own }] }).extenders[0]!.tls
  assert.deepEqual(tlsOf({}), {})
  assert.deepEqual(tlsOf({ enableHTTPS: true }), { rejectUnauthorized: false })
  assert.deepEqual(tlsOf({ enableHTTPS: true, tlsConfig: { caData: 'Y2E=' } }), { ca: 'ca' })
  assert.equal(file({ extenders: [{ urlPrefix: 'http://e/', enableHTTPS: true }] }).extenders[0]!.url, 'http://e')
})

test('parseSchedulerConfiguration reads leader election and back-off', () => {
  const { leaderElection, podMaxBackoffMs } = file({
    leaderElection: { leaseDuration: '30s', resourceName: 'mine' },
    podMaxBackoffSeconds: 60,
  })
  assert.deepEqual(leaderElection, {
    leaderElect: true,
    leaseDurationMs: 30_000,
    renewDeadlineMs: 10_000,
    retryPeriodMs: 2000,
    lease: { namespace: 'kube-system', name: 'mine' },
  })
  assert.equal(podMaxBackoffMs, 60_000)
})

test('parseSchedulerConfiguration merges what is enabled and disabled with the defaults', () => {
  const weightOf = (profile: Profile, name: string) => profile.plugins.find(({ plugin }) => plugin.name === name)
  const reweighed = first({ plugins: { score: { enabled: [{ name: 'ImageLocality', weight: 7 }], disabled: [{ name: 'NodeAffinity' }] } } })
  assert.equal(weightOf(reweighed, 'ImageLocality')!.weight, 7)
  assert.equal(weightOf(reweighed, 'TaintToleration')!.weight, 3)
})

test('parseSchedulerConfiguration lets a plugin score without filtering, and the other way round', () => {
  const lone = first({
    plugins: {
      multiPoint: { disabled: [{ name: 'TaintToleration' }] },
      preScore: { enabled: [{ name: 'TaintToleration' }] },
      score: { enabled: [{ name: 'TaintToleration', weight: 5 }] },
    },
  })
  const { plugin, weight } = lone.plugins.find((one) => one.plugin.name === 'TaintToleration')!
  assert.deepEqual([plugin.filter, typeof plugin.score, weight], [undefined, 'function', 5])
  const tainted = nodeOf('a', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } })
  assert.equal(outcome(podOf('p'), clusterOf([tainted]), lone), 'a')
})

test('parseSchedulerConfiguration runs nothing but what is named once all is disabled', () => {
  const all = [{ name: '*' }]
  const bare = first({
    plugins: { multiPoint: { disabled: all, enabled: [{ name: 'PrioritySort' }, { name: 'NodeName' }, { name: 'DefaultBinder' }] } },
  })
  assert.deepEqual(plugins(bare), ['NodeName 0'])
  assert.equal(bare.preemption, undefined)
  assert.equal(outcome(podOf('p', { cpu: '99' }), clusterOf([nodeOf('a')]), bare), 'a')
})

test('parseSchedulerConfiguration orders filters as the file does: what is said of a point goes first', () => {
  const names = first({ plugins: { filter: { enabled: [{ name: 'NodeResourcesFit' }] } } }).plugins.map(({ plugin }) => plugin.name)
  assert.deepEqual(names.slice(0, 3), ['NodeResourcesFit', 'NodeUnschedulable', 'NodeName'])
})

const refused: [title: string, Record<string, unknown>, RegExp][] = [
  ['fields there are none of', { profile: [] }, /strict decoding error: unknown field "profile"/],
  [
    'profiles without names, where there are several',
    { profiles: [{ schedulerName: 'a' }, {}] },
    /^profiles\[1\]\.schedulerName: Required value$/,
  ],
  [
    'two profiles of one name',
    { profiles: [{ schedulerName: 'a' }, { schedulerName: 'a' }] },
    /^profiles\[1\]\.schedulerName: Duplicate value: "a"$/,
  ],
  ['a profile that is none', { profiles: [null] }, /profiles\[0\]: must not be null/],
  [
    'percentages beyond the hundred',
    { percentageOfNodesToScore: 101 },
    /^percentageOfNodesToScore: Invalid value: 101: not in valid range \[0-100\]$/,
  ],
  [
    'back-off in the wrong order',
    { podInitialBackoffSeconds: 20 },
    /podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds/,
  ],
  [
    'plugins nobody knows',
    { profiles: [{ plugins: { filter: { enabled: [{ name: 'Mine' }] } } }] },
    /profiles\[0\]\.plugins\.filter\.enabled\[0\]\.name: Unsupported value: "Mine"/,
  ],
  [
    'plugins where they take no part',
    { profiles: [{ plugins: { score: { enabled: [{ name: 'NodeName' }] } } }] },
    /Invalid value: "NodeName": plugin does not extend score plugin/,
  ],
  [
    'half of a pair',
    { profiles: [{ plugins: { preFilter: { disabled: [{ name: 'NodePorts' }] } } }] },
    /filter of this plugin needs its preFilter/,
  ],
  ['no queue sort', { profiles: [{ plugins: { queueSort: { disabled: [{ name: '*' }] } } }] }, /no queue sort plugin is enabled/],
  ['no binder', { profiles: [{ plugins: { bind: { disabled: [{ name: '*' }] } } }] }, /at least one bind plugin is needed/],
  [
    'what is not supported, by name',
    { enableProfiling: true, parallelism: 4 },
    /enableProfiling: Forbidden: is not supported, parallelism: Forbidden/,
  ],
  ['leases shorter than their renewal', { leaderElection: { leaseDuration: '5s' } }, /LeaseDuration must be greater than RenewDeadline/],
  [
    'locks other than leases',
    { leaderElection: { resourceLock: 'endpoints' } },
    /^leaderElection\.resourceLock: Invalid value: "endpoints": resourceLock value must be "leases"$/,
  ],
  [
    'weights of extenders that count for nothing',
    { extenders: [{ urlPrefix: 'http://e', prioritizeVerb: 'p' }] },
    /extenders\[0\]\.weight: Invalid value: 0: must have a positive weight applied to it/,
  ],
  [
    'two binders',
    {
      extenders: [
        { urlPrefix: 'http://e', bindVerb: 'b' },
        { urlPrefix: 'http://f', bindVerb: 'b' },
      ],
    },
    /^extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind$/,
  ],
  [
    'certificates that are not there',
    { extenders: [{ urlPrefix: 'https://e', tlsConfig: { caFile: '/none' } }] },
    /tlsConfig\.caFile: Invalid value: "\/none": open \/none: no such file/,
  ],
  ['args of plugins that take none', { profiles: [args('NodeName', {})] }, /pluginConfig\[0\]\.name: Unsupported value: "NodeName"/],
  [
    'strategies there are none of',
    { profiles: [args('NodeResourcesFit', { scoringStrategy: { type: 'Best' } })] },
    /scoringStrategy\.type: Unsupported value: "Best"/,
  ],
  [
    'weights of resources',
    { profiles: [args('NodeResourcesFit', { scoringStrategy: { resources: [{ name: 'cpu', weight: 101 }] } })] },
    /scoringStrategy\.resources\[0\]\.weight: Invalid value: 101: resource weight of cpu not in valid range \(0, 100\]/,
  ],
  [
    'shapes out of order',
    {
      profiles: [
        args('NodeResourcesFit', {
          scoringStrategy: {
            type: 'RequestedToCapacityRatio',
            requestedToCapacityRatio: {
              shape: [
                { utilization: 50, score: 1 },
                { utilization: 40, score: 11 },
              ],
            },
          },
        }),
      ],
    },
    /scoringStrategy\.shape\[1\]\.utilization: Invalid value: 40: values must be sorted in increasing order, .*score: Invalid value: 11: not in valid range \[0, 10\]/,
  ],
  [
    'unequal weights of balance',
    { profiles: [args('NodeResourcesBalancedAllocation', { resources: [{ name: 'cpu', weight: 2 }] })] },
    /args\.resources\[0\]\.weight: Invalid value: 2: must be 1/,
  ],
  [
    'one resource twice in a balance',
    { profiles: [args('NodeResourcesBalancedAllocation', { resources: [{ name: 'cpu' }, { name: 'cpu' }] })] },
    /args\.resources\[1\]\.name: Duplicate value: "cpu"/,
  ],
  [
    'fields of args there are none of',
    { profiles: [args('NodeResourcesFit', { scoringStrategy: { kind: 'Best' } })] },
    /^strict decoding error: decoding \.profiles\[0\]\.pluginConfig\[0\]: strict decoding error: decoding args for plugin NodeResourcesFit: strict decoding error: unknown field "scoringStrategy\.kind"$/,
  ],
  [
    'affinity that nodes cannot have',
    {
      profiles: [
        args('NodeAffinity', {
          addedAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'Is', values: ['x'] }] }],
            },
          },
        }),
      ],
    },
    /addedAffinity\.requiredDuring\w+\.nodeSelectorTerms\[0\]\.matchExpressions\[0\]\.operator: Invalid value: "Is": not a valid selector operator/,
  ],
  ['times that are none', { extenders: [{ urlPrefix: 'http://e', httpTimeout: '1x' }] }, /httpTimeout: time: invalid duration "1x"/],
  ['parts of seconds', { podInitialBackoffSeconds: 1.5 }, /podInitialBackoffSeconds: must be a whole number/],
  [
    'renewals that come later than they must',
    { leaderElection: { retryPeriod: '9s' } },
    /^leaderElection\.renewDeadline: Invalid value: "10s": renewDeadline must be greater than retryPeriod\*JitterFactor$/,
  ],
  [
    'weights of others beyond the hundred',
    { profiles: [args('InterPodAffinity', { hardPodAffinityWeight: 101 })] },
    /hardPodAffinityWeight: Invalid value: 101: not in valid range \[0, 100\]/,
  ],
  [
    'default constraints that do not say what then',
    { profiles: [args('PodTopologySpread', { defaultingType: 'List', defaultConstraints: [{ topologyKey: 'z', maxSkew: 1 }] })] },
    /whenUnsatisfiable: Required value: can not be empty/,
  ],
  [
    'what two extenders both manage',
    {
      extenders: [
        { urlPrefix: 'http://e', managedResources: [{ name: 'example.com/a' }] },
        { urlPrefix: 'http://f', managedResources: [{ name: 'example.com/a' }, { name: 'cpu' }] },
      ],
    },
    /managedResources\[0\]\.name: Invalid value: "example\.com\/a": duplicate extender managed resource name, .*cpu is an invalid extended resource name/,
  ],
  [
    'default constraints beside the system defaults',
    {
      profiles: [
        args('PodTopologySpread', { defaultConstraints: [{ topologyKey: 'z', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway' }] }),
      ],
    },
    /defaultingType: Invalid value: "System": when \.defaultConstraints are not empty/,
  ],
  [
    'selectors of default constraints',
    {
      profiles: [
        args('PodTopologySpread', {
          defaultingType: 'List',
          defaultConstraints: [{ topologyKey: 'z', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway', labelSelector: {} }],
        }),
      ],
    },
    /constraint must not define a selector/,
  ],
  [
    'no candidates for preemption',
    { profiles: [args('DefaultPreemption', { minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0 })] },
    /cannot be zero at the same time/,
  ],
]
for (const [title, fields, message] of refused) {
  test(`parseSchedulerConfiguration refuses ${title}`, () => {
    assert.throws(() => file(fields), { name: 'ConfigurationError', message })
  })
}

test('parseSchedulerConfiguration takes no other kind', () => {
  assert.throws(() => parseSchedulerConfiguration('kind: Pod\napiVersion: v1\n', noFiles), /no kind "Pod" is registered for version "v1"/)
})

test('NodeAffinity adds what the file says to every pod', () => {
  const term = (values: string[]) => ({ matchExpressions: [{ key: 'zone', operator: 'In', values }] })
  const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term(['x'])] } }
  const profile = first(args('NodeAffinity', { addedAffinity: required }))
  const [a, b] = ['x', 'y'].map((zone, i) => nodeOf(`n${i}`, { labels: { zone } }))
  assert.equal(outcome(podOf('p'), clusterOf([b!, a!]), profile), 'n0')
  assert.equal(
    outcome(podOf('p'), clusterOf([b!]), profile),
    "0/1 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity.",
  )
})

test('InterPodAffinity weighs rules of others as the file says', () => {
  const profile = (hardPodAffinityWeight: number) => first(args('InterPodAffinity', { hardPodAffinityWeight }))
  const wants = {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: { matchLabels: { app: 'p' } } }],
    },
  }
  const nodes = [nodeOf('a', { labels: { zone: 'x' } }), nodeOf('b', { labels: { zone: 'y' } })]
  const there = podOf('q', { affinity: wants, cpu: '2' })
  const cluster = clusterOf(nodes, [{ ...there, spec: { ...there.spec!, nodeName: 'a' } }])
  const pod = podOf('p', { labels: { app: 'p' }, cpu: '1' })
  assert.equal(outcome(pod, cluster, profile(100)), 'a')
  assert.equal(outcome(pod, cluster, profile(0)), 'b')
})

test('PodTopologySpread spreads pods that say nothing as the file says', () => {
  const constraint = { topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' }
  const profile = first(args('PodTopologySpread', { defaultingType: 'List', defaultConstraints: [constraint] }))
  const there = podOf('q', { labels: { app: 'p' } })
  const cluster = clusterOf(
    [nodeOf('a', { labels: { zone: 'x' } }), nodeOf('b', { cpu: '1', labels: { zone: 'y' } })],
    [{ ...there, spec: { ...there.spec!, nodeName: 'a' } }],
  )
  cluster.siblingsOf = () => ({ requirements: [{ key: 'app', operator: 'in', values: ['p'] }] })
  const pod = podOf('p', { labels: { app: 'p' }, cpu: '2' })
  assert.equal(outcome(pod, cluster, defaultProfile()), 'a')
  assert.equal(
    outcome(pod, cluster, profile),
    "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints.",
  )
})

test('PodTopologySpread heeds the policies of constraints that the file gives all pods', () => {
  const constraint = { topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' }
  const spreading = (own: object) => {
    const defaultConstraints = [{ ...constraint, ...own }]
    return first(args('PodTopologySpread', { defaultingType: 'List', defaultConstraints }))
  }
  const tainted = { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }
  const there = podOf('q', { labels: { app: 'p' } })
  const cluster = clusterOf(
    [nodeOf('a', { labels: { zone: 'x' } }), nodeOf('b', { ...tainted, labels: { zone: 'y' } })],
    [{ ...there, spec: { ...there.spec!, nodeName: 'a' } }],
  )
  cluster.siblingsOf = () => ({ requirements: [{ key: 'app', operator: 'in', values: ['p'] }] })
  const pod = podOf('p', { labels: { app: 'p' } })
  assert.match(outcome(pod, cluster, spreading({})), /1 node\(s\) didn't match pod topology spread constraints/)
  assert.equal(outcome(pod, cluster, spreading({ nodeTaintsPolicy: 'Honor' })), 'a')
  assert.match(
    outcome(pod, cluster, spreading({ nodeTaintsPolicy: 'Honor', minDomains: 2 })),
    /1 node\(s\) didn't match pod topology spread/,
  )
})

test('NodeResourcesFit passes over resources the file names', () => {
  const profile = first(args('NodeResourcesFit', { ignoredResources: ['example.com/a'], ignoredResourceGroups: ['example.org'] }))
  const asking = (name: string) => podOf('p', { containers: [{ name: 'c', resources: { requests: { [name]: '1' } } }] })
  const nodes = clusterOf([nodeOf('n')])
  assert.deepEqual(
    ['example.com/a', 'example.com/b', 'example.org/c'].map((name) => outcome(asking(name), nodes, profile)),
    ['n', '0/1 nodes are available: 1 Insufficient example.com/b.', 'n'],
  )
})

test('RequestedToCapacityRatio of the file is the one that scores', () => {
  const scoringStrategy = {
    type: 'RequestedToCapacityRatio',
    requestedToCapacityRatio: {
      shape: [
        { utilization: 0, score: 0 },
        { utilization: 100, score: 10 },
      ],
    },
  }
  const profile = first(args('NodeResourcesFit', { scoringStrategy }))
  const { score } = profile.plugins.find(({ plugin }) => plugin.name === 'NodeResourcesFit')!.plugin
  const cluster = clusterOf([nodeOf('a', { cpu: '2', memory: '400Mi' })])
  // cpu 1000 of 2000 is 50, memory 100 of 400 is 25: the mean of both, rounded, is 38.
  assert.equal(score!(podInfoOf(podOf('p', { cpu: '1', memory: '100Mi' })), cluster, cluster.nodes)!.of(cluster.nodes[0]!), 38)
})
