// Random nodes, pods and what they mount, for tests: each flavour stirs up what one plugin looks at.
import type { Container, PodSpec } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'
import type { Random } from '#lib/random.ts'
import { mounting, nodeOf, podOf } from './testing.ts'

const APPS = ['web', 'db', 'job']
const CLAIMS = ['data-0', 'data-1', 'data-2', 'data-3', 'data-4', 'data-5']
const claiming = (name: string): Partial<PodSpec> => ({ resourceClaims: [{ name: 'd', resourceClaimName: name }] })

/** What a scene has beside load: each of these is what one plugin looks at. */
export const flavours: Record<string, (pick: Pick) => Partial<PodSpec>> = {
  plain: () => ({}),
  'node selector': (pick) => ({ nodeSelector: { disk: pick(['ssd', 'hdd']) } }),
  'preferred nodes': (pick) => ({
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: pick([1, 40]), preference: { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] } },
          { weight: pick([1, 40]), preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['x', 'y'] }] } },
        ],
      },
    },
  }),
  tolerations: (pick) => ({ tolerations: [{ key: 'k', operator: 'Exists', effect: pick(['NoSchedule', 'PreferNoSchedule']) }] }),
  'host ports': (pick) => ({ containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: pick([80, 81]) }] }] }),
  'bound volumes': (pick) => mounting(pick(CLAIMS), pick(CLAIMS)),
  'exclusive claims': (pick) => mounting(pick(['exclusive-0', 'exclusive-1', 'exclusive-2'])),
  disks: (pick) => ({ volumes: [{ name: 'v', awsElasticBlockStore: { volumeID: pick(['vol-1', 'vol-2']) } }] }),
  'declared features': () => ({ containers: [{ name: 'c', image: 'i', restartPolicyRules: [{ action: 'RestartAllContainers' }] }] }),
  devices: (pick) => claiming(pick(['one', 'two', 'one-large', 'two-small'])),
  'alternative devices': (pick) => claiming(pick(['large-else-small', 'two-small-else-one'])),
  images: (pick) => ({ containers: [{ name: 'c', image: pick(['big:1', 'small:1', 'rare:1']) }] }),
  'required spread': (pick) => ({ topologySpreadConstraints: [spread('zone', 'DoNotSchedule', pick)] }),
  'preferred spread': (pick) => ({
    topologySpreadConstraints: [spread('zone', 'ScheduleAnyway', pick), spread('kubernetes.io/hostname', 'ScheduleAnyway', pick)],
  }),
  'required spread by policies': (pick) => ({ ...chosen(pick), topologySpreadConstraints: [policed('zone', 'DoNotSchedule', pick)] }),
  'preferred spread by policies': (pick) => ({
    ...chosen(pick),
    topologySpreadConstraints: [policed('zone', 'ScheduleAnyway', pick), policed('kubernetes.io/hostname', 'ScheduleAnyway', pick)],
  }),
  'several containers': (pick) => ({
    initContainers: [
      { name: 'i', image: pick(['big:1', 'small:1']) },
      ...(pick([true, false]) ? [{ name: 's', image: 'rare:1', restartPolicy: 'Always' }] : []),
      { name: 'j', image: 'none:1' },
    ],
    containers: [
      { name: 'c', image: pick(['big:1', 'small:1', 'rare:1']) },
      { name: 'd', image: 'big:1' },
    ],
  }),
  'everything at once': (pick) => ({
    ...flavours['several containers']!(pick),
    ...flavours['preferred spread']!(pick),
    ...flavours.tolerations!(pick),
    affinity: { ...flavours['preferred nodes']!(pick).affinity, ...flavours['preferred company and distance']!(pick).affinity },
  }),
  'required company': (pick) => ({
    affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(pick(['zone', 'kubernetes.io/hostname']), pick)] } },
  }),
  'required distance': (pick) => ({
    affinity: {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(pick(['zone', 'kubernetes.io/hostname']), pick)] },
    },
  }),
  'preferred company and distance': (pick) => ({
    affinity: {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: pick([10, 70]), podAffinityTerm: term('zone', pick) }],
      },
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: pick([10, 70]), podAffinityTerm: term('kubernetes.io/hostname', pick) },
        ],
      },
    },
  }),
}

export type Pick = <T>(from: readonly T[]) => T
export const pickerOf =
  (random: Random): Pick =>
  (from) =>
    from[Math.floor(random.float() * from.length)]!
const selectorOf = (pick: Pick) => ({ labelSelector: { matchLabels: { app: pick(APPS) } } })
const spread = (topologyKey: string, whenUnsatisfiable: string, pick: Pick) => ({
  topologyKey,
  whenUnsatisfiable,
  maxSkew: pick([1, 2]),
  ...selectorOf(pick),
})
const chosen = (pick: Pick): Partial<PodSpec> => ({
  ...(pick([true, false]) ? { nodeSelector: { disk: pick(['ssd', 'hdd']) } } : {}),
  ...(pick([true, false]) ? { tolerations: [{ key: 'k', operator: 'Exists' }] } : {}),
})
const policed = (topologyKey: string, whenUnsatisfiable: string, pick: Pick) => ({
  ...spread(topologyKey, whenUnsatisfiable, pick),
  ...(pick([true, false]) ? { nodeAffinityPolicy: pick(['Honor', 'Ignore']) } : {}),
  ...(pick([true, false]) ? { nodeTaintsPolicy: pick(['Honor', 'Ignore']) } : {}),
  ...(pick([true, false]) ? { matchLabelKeys: ['version', 'none'].slice(0, pick([1, 2])) } : {}),
  ...(whenUnsatisfiable === 'DoNotSchedule' ? { minDomains: pick([1, 3, 4]) } : {}),
})
const term = (topologyKey: string, pick: Pick) => ({ topologyKey, ...selectorOf(pick) })

export function someNode(name: string, pick: Pick): Node {
  const zone = pick(['x', 'y', 'z', ''])
  const taint = pick([undefined, undefined, undefined, 'NoSchedule', 'PreferNoSchedule'])
  const taints = [
    ...(taint ? [{ key: 'k', value: '', effect: taint }] : []),
    ...(pick([1, 2, 3, 4]) === 1 ? [{ key: 'l', value: 'v', effect: 'PreferNoSchedule' }] : []),
  ]
  const node = nodeOf(name, {
    cpu: pick(['2', '4', '8']),
    memory: pick(['4Gi', '8Gi']),
    pods: pick(['3', '110']),
    labels: { disk: pick(['ssd', 'hdd']), ...(zone ? { zone, 'topology.kubernetes.io/zone': zone } : {}) },
    spec: {
      ...(pick([1, 2, 3, 4, 5]) === 1 ? { unschedulable: true } : {}),
      ...(taints.length ? { taints } : {}),
    },
    images: ['big:1', 'small:1', 'rare:1'].flatMap((image, i) =>
      pick([true, false]) ? [{ names: [image], sizeBytes: [900, 40, 300][i]! * 2 ** 20 }] : [],
    ),
  })
  return pick([true, false]) ? { ...node, status: { ...node.status!, declaredFeatures: ['RestartAllContainersOnContainerExits'] } } : node
}

export function somePod(name: string, flavour: string, pick: Pick): Pod {
  const { containers, initContainers = [], ...spec } = flavours[flavour]!(pick)
  const pod = podOf(name, { labels: { version: pick(['1', '2']), app: pick(APPS) }, ...spec, ...(containers ? { containers } : {}) })
  const asking = (one: Container): Container => ({
    ...one,
    resources: {
      requests: {
        ...(pick([true, false]) ? { cpu: pick(['100m', '700m', '1']) } : {}),
        ...(pick([true, false]) ? { memory: '512Mi' } : {}),
      },
    },
  })
  const before = initContainers.length ? { initContainers: initContainers.map(asking) } : {}
  return { ...pod, spec: { ...pod.spec!, containers: pod.spec!.containers.map(asking), ...before } }
}

const DRIVER = 'gpu.example.com'

/** Claims, their volumes and the limits of nodes; devices, some of them taken, and claims to them. */
export function someObjects(nodes: readonly Node[], pick: Pick): KubeObject[] {
  const names = nodes.map(({ metadata }) => metadata!.name!)
  const volumes = CLAIMS.flatMap((name, i) => {
    const zone = pick(['x', 'y', 'z', ''])
    const labels = zone ? { 'topology.kubernetes.io/zone': zone } : {}
    const spec = { csi: { driver: 'csi.example.com', volumeHandle: `handle-${i}` } }
    return [
      object('v1', 'PersistentVolumeClaim', { name, namespace: 'default' }, { spec: { volumeName: `pv-${i}` } }),
      object('v1', 'PersistentVolume', { name: `pv-${i}`, labels }, { spec }),
    ]
  })
  const exclusive = [0, 1, 2].map((i) =>
    object(
      'v1',
      'PersistentVolumeClaim',
      { name: `exclusive-${i}`, namespace: 'default' },
      { spec: { accessModes: ['ReadWriteOncePod'] } },
    ),
  )
  const limits = names.map((name) => {
    const drivers = [{ name: 'csi.example.com', nodeID: name, allocatable: { count: pick([2, 3, 6]) } }]
    return object('storage.k8s.io/v1', 'CSINode', { name }, { spec: { drivers } })
  })
  const devices = names.map((name) => ({
    name,
    models: Array.from({ length: pick([0, 1, 2, 3]) }, () => pick(['small', 'large'])),
  }))
  const slices = devices.map(({ name, models }) => {
    const list = models.map((model, i) => ({ name: `g${i}`, attributes: { model: { string: model } } }))
    const pool = { name, generation: 1, resourceSliceCount: 1 }
    return resource('ResourceSlice', { name: `slice-${name}` }, { spec: { driver: DRIVER, nodeName: name, pool, devices: list } })
  })
  const results = devices.flatMap(({ name, models }) =>
    models.flatMap((_, i) => (pick([1, 2, 3]) === 1 ? [{ request: 'r', driver: DRIVER, pool: name, device: `g${i}` }] : [])),
  )
  const large = { selectors: [{ cel: { expression: `device.attributes["${DRIVER}"].model == "large"` } }] }
  const small = { selectors: [{ cel: { expression: `device.attributes["${DRIVER}"].model == "small"` } }] }
  return [
    ...volumes,
    ...exclusive,
    ...limits,
    ...slices,
    resource('DeviceClass', { name: 'gpu' }, { spec: {} }),
    claimOf('used', [{ count: 1 }], { status: { allocation: { devices: { results } } } }),
    claimOf('one', [{ count: 1 }]),
    claimOf('two', [{ count: 2 }]),
    claimOf('one-large', [{ count: 1, ...large }]),
    claimOf('two-small', [{ count: 2, ...small }]),
    claimOf('large-else-small', [
      { count: 1, ...large },
      { count: 1, ...small },
    ]),
    claimOf('two-small-else-one', [{ count: 2, ...small }, { count: 1 }]),
  ]
}

function object(apiVersion: string, kind: string, metadata: object, rest: object): KubeObject {
  return { apiVersion, kind, metadata, ...rest } as KubeObject
}

const resource = (kind: string, metadata: object, rest: object) => object('resource.k8s.io/v1', kind, metadata, rest)

/** Several alternatives: the first that is available. */
function claimOf(name: string, alternatives: readonly object[], rest: object = {}): KubeObject {
  const requests = alternatives.map((one) => ({ deviceClassName: 'gpu', allocationMode: 'ExactCount', ...one }))
  const request =
    requests.length === 1 ? { exactly: requests[0] } : { firstAvailable: requests.map((one, i) => ({ name: `sub-${i}`, ...one })) }
  const spec = { devices: { requests: [{ name: 'r', ...request }] } }
  return resource('ResourceClaim', { name, namespace: 'default', uid: `uid-${name}` }, { spec, ...rest })
}
