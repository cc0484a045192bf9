// What people do to a simulated cluster: create, scale, change and delete workloads, in no particular order, some of it nonsense.
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { Service } from '#api/kinds/core/service.ts'
import { PodDisruptionBudget } from '#api/kinds/policy/pod-disruption-budget.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceClaimTemplate } from '#api/kinds/resource/resource-claim-template.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import type { Random } from '#lib/random.ts'

const NAMESPACES = ['default', 'team-a', 'team-b']
const DEVICES = 'resource.k8s.io/v1'
const POLICIES = ['Background', 'Foreground', 'Orphan'] as const

export interface Doing {
  client: Client
  random: Random
  /** Numbers names. */
  next(): number
}

type Deed = (doing: Doing) => Promise<unknown>

const below = (random: Random, limit: number) => Math.floor(random.float() * limit)
const oneOf = <T>(random: Random, all: readonly T[]): T => all[below(random, all.length)]!

const template = (app: string, image: string, more: object = {}) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'main', image, resources: { requests: { cpu: '100m', memory: '64Mi' } } }], ...more },
})

function workload<T extends KubeObject>(kind: Kind<T>, spec: (app: string, random: Random) => object): Deed {
  return ({ client, random, next }) => {
    const name = `${kind.singular}-${next()}`
    const namespace = oneOf(random, NAMESPACES)
    const object = {
      apiVersion: kind.group ? `${kind.group}/${kind.version}` : kind.version,
      kind: kind.kind,
      metadata: { name, namespace },
    }
    return client.create(kind, { ...object, spec: spec(name, random) } as unknown as T)
  }
}

const selects = (app: string) => ({ selector: { matchLabels: { app } } })

const MAKE: readonly Deed[] = [
  workload(Deployment, (app, random) => ({
    replicas: below(random, 6),
    ...selects(app),
    template: template(app, 'v1'),
    strategy: oneOf(random, [
      { type: 'Recreate' },
      { type: 'RollingUpdate' },
      { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    ]),
  })),
  workload(StatefulSet, (app, random) => ({
    replicas: below(random, 4),
    serviceName: app,
    podManagementPolicy: oneOf(random, ['OrderedReady', 'Parallel']),
    ...selects(app),
    template: template(app, 'v1'),
  })),
  workload(DaemonSet, (app) => ({ ...selects(app), template: template(app, 'v1') })),
  workload(Job, (app, random) => {
    const completions = 1 + below(random, 4)
    const { metadata, spec } = template(app, 'v1', { restartPolicy: 'Never' })
    const annotations = { 'sampan.dev/run-seconds': String(below(random, 60)) }
    return {
      completions,
      parallelism: 1 + below(random, completions),
      completionMode: oneOf(random, ['Indexed', 'NonIndexed']),
      backoffLimit: 20,
      template: { metadata: { ...metadata, annotations }, spec },
    }
  }),
  workload(CronJob, (app, random) => ({
    schedule: oneOf(random, ['*/1 * * * *', '*/5 * * * *']),
    concurrencyPolicy: oneOf(random, ['Allow', 'Forbid', 'Replace']),
    jobTemplate: {
      spec: {
        template: {
          metadata: { labels: { app }, annotations: { 'sampan.dev/run-seconds': String(below(random, 90)) } },
          spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'v1' }] },
        },
      },
    },
  })),
]

const pick = async <T extends KubeObject>({ client, random }: Doing, kind: Kind<T>): Promise<T | undefined> => {
  const { items } = await client.list(kind)
  const own = items.filter(({ metadata }) => NAMESPACES.includes(metadata?.namespace ?? ''))
  return own.length > 0 ? oneOf(random, own) : undefined
}
const keyOf = ({ metadata }: KubeObject) => ({ namespace: metadata!.namespace!, name: metadata!.name! })
const KINDS: readonly Kind<any>[] = [Deployment, StatefulSet, DaemonSet, Job, CronJob]

const change =
  (kinds: readonly Kind<any>[], patch: (random: Random) => object): Deed =>
  async (doing) => {
    const kind = oneOf(doing.random, kinds)
    const found = await pick(doing, kind)
    if (found) await doing.client.patch(kind, keyOf(found), { type: 'merge', patch: patch(doing.random) })
  }

const remove =
  (kinds: readonly Kind<any>[]): Deed =>
  async (doing) => {
    const kind = oneOf(doing.random, kinds)
    const found = await pick(doing, kind)
    if (found) await doing.client.delete(kind, keyOf(found), { propagationPolicy: oneOf(doing.random, POLICIES) })
  }

const namespaced = (make: (namespace: string, name: string, random: Random) => [Kind<any>, KubeObject]): Deed => {
  return ({ client, random, next }) => {
    const [kind, object] = make(oneOf(random, NAMESPACES), `n-${next()}`, random)
    return client.create(kind, object)
  }
}

const ensureNamespace: Deed = ({ client, random }) =>
  client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: oneOf(random, NAMESPACES.slice(1)) } })

const short = (app: string, random: Random, more: object) => {
  const { metadata, spec } = template(app, 'v1', { restartPolicy: 'Never', ...more })
  const annotations = { 'sampan.dev/run-seconds': String(below(random, 30)) }
  return { template: { metadata: { ...metadata, annotations }, spec }, completions: 2, parallelism: 2, backoffLimit: 20 }
}

/** Jobs whose pods claim a device each. */
const claimDevices: Deed = async ({ client, random, next }) => {
  const namespace = oneOf(random, NAMESPACES)
  const name = `devices-${next()}`
  const known = (await client.list(DeviceClass)).items.length > 0
  if (!known) await client.create(DeviceClass, { apiVersion: DEVICES, kind: 'DeviceClass', metadata: { name: 'gpu' }, spec: {} })
  await client.create(ResourceClaimTemplate, {
    apiVersion: DEVICES,
    kind: 'ResourceClaimTemplate',
    metadata: { namespace, name },
    spec: { spec: { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'gpu' } }] } } },
  })
  const spec = short(name, random, { resourceClaims: [{ name: 'device', resourceClaimTemplateName: name }] })
  await client.create(Job, { apiVersion: 'batch/v1', kind: 'Job', metadata: { namespace, name }, spec } as Job)
}

/** Two pods at a time want a volume that only one may have. */
const shareVolume: Deed = async ({ client, random, next }) => {
  const namespace = oneOf(random, NAMESPACES)
  const name = `shared-${next()}`
  const accessModes = ['ReadWriteOncePod']
  await client.create(PersistentVolume, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: { capacity: { storage: '1Gi' }, accessModes, hostPath: { path: '/tmp/x' }, persistentVolumeReclaimPolicy: 'Retain' },
  })
  await client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name },
    spec: { storageClassName: '', accessModes, resources: { requests: { storage: '1Gi' } } },
  })
  const spec = short(name, random, { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: name } }] })
  await client.create(Job, { apiVersion: 'batch/v1', kind: 'Job', metadata: { namespace, name }, spec } as Job)
}

const DEEDS: readonly (readonly [weight: number, deed: Deed])[] = [
  [2, claimDevices],
  [1, shareVolume],
  ...MAKE.map((deed) => [3, deed] as const),
  [4, ensureNamespace],
  [6, change([Deployment, StatefulSet], (random) => ({ spec: { replicas: below(random, 6) } }))],
  [
    4,
    change([Deployment, StatefulSet, DaemonSet], (random) => ({
      spec: { template: { metadata: { annotations: { turn: String(below(random, 5)) } } } },
    })),
  ],
  [1, change([Deployment], (random) => ({ spec: { paused: random.float() < 0.3 } }))],
  [1, change([Job], (random) => ({ spec: { suspend: random.float() < 0.4 } }))],
  [4, remove(KINDS)],
  [3, remove([Pod])],
  [1, async (doing) => doing.client.delete(Namespace, { name: oneOf(doing.random, NAMESPACES.slice(1)) })],
  [
    1,
    namespaced((namespace, name, random) => [
      ResourceQuota,
      {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { namespace, name },
        spec: {
          hard: { pods: String(10 + below(random, 20)), 'count/deployments.apps': '8', services: '20', persistentvolumeclaims: '20' },
        },
      } as KubeObject,
    ]),
  ],
  [
    2,
    async (doing) => {
      const found = await pick(doing, oneOf(doing.random, [Deployment, StatefulSet] as Kind<any>[]))
      if (!found) return
      const { namespace, name } = keyOf(found)
      const spec = { selector: { app: name }, ports: [{ port: 80 }] }
      await doing.client.create(Service, { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec })
    },
  ],
  [
    1,
    async (doing) => {
      const found = await pick(doing, Deployment)
      if (!found) return
      const { namespace, name } = keyOf(found)
      const spec = { minAvailable: 1, ...selects(name) }
      await doing.client.create(PodDisruptionBudget, {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { namespace, name },
        spec,
      })
    },
  ],
  [
    2,
    namespaced((namespace, name) => [
      PersistentVolumeClaim,
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        metadata: { namespace, name },
        spec: { storageClassName: '', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
      } as KubeObject,
    ]),
  ],
  [
    2,
    ({ client, next }) =>
      client.create(PersistentVolume, {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name: `pv-${next()}` },
        spec: {
          capacity: { storage: '2Gi' },
          accessModes: ['ReadWriteOnce'],
          hostPath: { path: '/tmp/x' },
          persistentVolumeReclaimPolicy: 'Retain',
        },
      }),
  ],
]

const TOTAL = DEEDS.reduce((sum, [weight]) => sum + weight, 0)

/** One thing somebody does. What the cluster refuses is refused. */
export async function doSomething(doing: Doing): Promise<void> {
  let at = doing.random.float() * TOTAL
  for (const [weight, deed] of DEEDS) {
    at -= weight
    if (at >= 0) continue
    await deed(doing).catch((error: unknown) => {
      if (!(error instanceof StatusError) && !String(error).includes('simulated')) throw error
    })
    return
  }
}
