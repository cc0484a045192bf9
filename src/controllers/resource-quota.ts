// resourcequota-controller: recomputes what a namespace uses. Admission adds to it as things are made; here it shrinks when they go.
import { isFinished } from '#api/finished-pod.ts'
import { CronJob } from '#api/kinds/batch/cron-job.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { DaemonSet } from '#api/kinds/apps/daemon-set.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { StatefulSet } from '#api/kinds/apps/stateful-set.ts'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ReplicationController } from '#api/kinds/core/replication-controller.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { Secret } from '#api/kinds/core/secret.ts'
import { Service } from '#api/kinds/core/service.ts'
import { DeviceClass } from '#api/kinds/resource/device-class.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { equal } from '#api/equal.ts'
import type { ResourceQuotaSpec } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { keyOf, keyText, type KubeObject, type ObjectKey } from '#api/object.ts'
import { Quantity } from '#api/quantity.ts'
import { isCountable, isOfPods } from '#api/quota-names.ts'
import type { Controller, ControllerContext, Trigger } from '#client/controller.ts'
import type { Informer, Informers } from '#client/informer.ts'
import { mapped } from '#client/triggers.ts'
import { type ClusterKinds, onePerResource } from './cluster-kinds.ts'

/** What objects count against quotas: the very rules by which admission charges. */
export interface QuotaMeter {
  usageOf(
    kind: Kind<any>,
    object: KubeObject,
    circumstances: { now: number; find<T extends KubeObject>(kind: Kind<T>, key: ObjectKey): T | undefined },
  ): ReadonlyMap<string, Quantity>
  inScope(spec: ResourceQuotaSpec, kind: Kind<any>, object: KubeObject): boolean
}

const DEVICES = '.deviceclass.resource.k8s.io/devices'
/** Counts of objects of other API servers, and charges for what was never made, are set right this often. */
const RESYNC_MS = 300_000
/** What goes together is counted together. */
const GATHERING_MS = 50
/** Kinds whose content, not only number, is counted. */
const MEASURED: readonly Kind<any>[] = [Pod, Service, PersistentVolumeClaim, ResourceClaim]
const COUNTED: readonly Kind<any>[] = [
  ...MEASURED,
  Secret,
  ConfigMap,
  ReplicationController,
  Deployment,
  ReplicaSet,
  StatefulSet,
  DaemonSet,
  Job,
  CronJob,
]

export function resourceQuotaController(meter: QuotaMeter, kinds: ClusterKinds): Controller {
  /** Kinds beside `COUNTED` that a quota names: what goes of them frees something, too. */
  const followed = new Map<string, Disposable>()
  /** Quotas that will be counted anyway, for what has gone. */
  const due = new Set<string>()
  const follow = (kind: Kind<any>, informer: Informer<KubeObject>, context: ControllerContext) => {
    const name = `${kind.plural}.${kind.group}`
    if (followed.has(name) || COUNTED.includes(kind)) return
    const freed = (namespace: string | undefined) => {
      for (const quota of context.informers.of(ResourceQuota).list(namespace)) recountSoon(keyOf(quota), context)
    }
    followed.set(
      name,
      informer.subscribe(({ object, previous }) => {
        if (!object && previous) freed(previous.metadata?.namespace)
      }),
    )
  }
  const recountSoon = (key: ObjectKey, context: ControllerContext, waitMs = GATHERING_MS) => {
    const { clock, log, signal } = context
    if (due.has(keyText(key))) return
    due.add(keyText(key))
    clock.after(waitMs, () => {
      due.delete(keyText(key))
      if (signal.aborted) return
      recount(key, context).catch((error: unknown) => {
        log.debug('a quota could not be recounted', { error })
        recountSoon(key, context, Math.min(RESYNC_MS, 2 * waitMs))
      })
    })
  }
  const recount = async (key: ObjectKey, context: ControllerContext) => {
    const quota = context.informers.of(ResourceQuota).get(key)
    if (!quota || quota.metadata?.deletionTimestamp) return
    const status = { hard: quota.spec?.hard ?? {}, used: await usedBy(quota, { meter, kinds, context, follow }) }
    if (!equal(status, quota.status)) await context.client.update(ResourceQuota, { ...quota, status }, { subresource: 'status' })
  }
  return {
    name: 'resourcequota-controller',
    workers: 5,
    triggers: [
      // Not what admission writes: it charges for what is about to be made, and a count now would miss that.
      mapped(ResourceQuota, (quota) => (equal(quota.spec?.hard ?? {}, quota.status?.hard) ? [] : [keyOf(quota)])),
      ...COUNTED.map((kind) => mapped(kind, quotasOf, FREES.get(kind) ?? isGone)),
    ],
    reconcile: recount,
    async run(context) {
      const { informers, clock, signal, log } = context
      await informers.of(ResourceQuota).synced()
      signal.addEventListener('abort', () => followed.forEach((one) => one[Symbol.dispose]()), { once: true })
      while (!signal.aborted) {
        for (const quota of informers.of(ResourceQuota).list()) {
          await recount(keyOf(quota), context).catch((error: unknown) => log.debug('a quota could not be recounted', { error }))
        }
        await clock.sleep(RESYNC_MS, signal).catch(() => undefined)
      }
    },
  }
}

interface Counting {
  meter: QuotaMeter
  kinds: ClusterKinds
  context: ControllerContext
  follow(kind: Kind<any>, informer: Informer<KubeObject>, context: ControllerContext): void
}

async function usedBy(quota: ResourceQuota, { meter, kinds, context, follow }: Counting): Promise<Record<string, string>> {
  const names = Object.keys(quota.spec?.hard ?? {})
  const sums = new Map(names.map((name) => [name, Quantity.of(0)]))
  const find = <T extends KubeObject>(kind: Kind<T>, key: ObjectKey) => context.informers.of(kind).get(key)
  const unknown = new Set(names.filter((name) => name.startsWith('count/')))
  /** Of a name that nothing counts towards nothing is said. */
  const counted = new Set<string>()
  for (const kind of onePerResource(kinds.list())) {
    const about = kind.scope === 'Namespaced' && isCountable(kind) ? names.filter((name) => isAbout(name, kind)) : []
    if (about.length === 0) continue
    for (const name of about) {
      unknown.delete(name)
      counted.add(name)
    }
    const informer = MEASURED.includes(kind) ? context.informers.of(kind) : context.informers.metadataOf(kind)
    await informer.synced()
    follow(kind, informer, context)
    // How many devices a claim counts for depends on what their classes stand for.
    if ((kind as unknown) === ResourceClaim) await context.informers.of(DeviceClass).synced()
    const circumstances = { now: context.clock.now(), find }
    for (const object of informer.list(quota.metadata?.namespace)) {
      if (!meter.inScope(quota.spec ?? {}, kind, object)) continue
      for (const [name, amount] of meter.usageOf(kind, object, circumstances)) {
        const sum = sums.get(name)
        if (sum) sums.set(name, sum.add(amount))
      }
    }
  }
  const used = Object.fromEntries([...sums].filter(([name]) => counted.has(name)).map(([name, sum]) => [name, sum.toString()]))
  return unknown.size === 0 ? used : { ...used, ...(await usedElsewhere(quota, unknown, { kinds, context })) }
}

/** Objects of other API servers are counted, as upstream counts them; whether one more may be made is their servers' to say. */
async function usedElsewhere(
  { metadata, spec, status }: ResourceQuota,
  names: ReadonlySet<string>,
  { kinds, context }: Pick<Counting, 'kinds' | 'context'>,
): Promise<Record<string, string>> {
  const { kinds: found, failures } = await kinds.remote()
  // What was counted last holds until its server answers again.
  const last = (name: string) => status?.used?.[name] ?? '0'
  const used = failures.size > 0 ? Object.fromEntries([...names].map((name) => [name, last(name)])) : {}
  const scoped = (spec?.scopes?.length ?? 0) > 0 || spec?.scopeSelector !== undefined
  for (const kind of onePerResource(found)) {
    const name = [...names].find((one) => isAbout(one, kind))
    if (name === undefined || kind.scope !== 'Namespaced' || !isCountable(kind)) continue
    try {
      const { items } = await context.client.list(kind, { namespace: metadata?.namespace ?? '' })
      used[name] = scoped ? '0' : String(items.length)
    } catch (error) {
      context.log.debug('objects of another server could not be counted', { name, error })
      used[name] = last(name)
    }
  }
  return used
}

/** Whether objects of the kind can count towards a resource of that name. */
function isAbout(name: string, kind: Kind<any>): boolean {
  const resource = kind.group ? `${kind.plural}.${kind.group}` : kind.plural
  if (name === `count/${resource}` || name === resource) return true
  if ((kind as unknown) === ResourceClaim) return name.endsWith(DEVICES) || (name.startsWith('requests.') && name.includes('/'))
  if (kind.group !== '') return false
  if (kind.plural === 'services') return name.startsWith('services.')
  const storage = name === 'requests.storage' || name.includes('.storageclass.storage.k8s.io/')
  if (kind.plural === 'persistentvolumeclaims') return storage
  return kind.plural === 'pods' && isOfPods(name)
}

type Change<T> = Parameters<NonNullable<Trigger<any>['matters']>>[0] & { object?: T; previous?: T }

/** Things coming are admission's business; what went, or can have become less, frees something. */
const isGone = ({ object }: Change<KubeObject>): boolean => !object

const FREES = new Map<Kind<any>, (change: Change<any>) => boolean>([
  // One whose specification has changed may have been resized, and its node lets go of what it held bit by bit.
  [
    Pod,
    ({ object, previous }: Change<Pod>) => {
      if (!object) return true
      const ended = isFinished(object) && !(previous && isFinished(previous))
      return ended || (previous !== undefined && (object.metadata?.generation ?? 1) > 1)
    },
  ],
  [Service, ({ object, previous }: Change<Service>) => !object || previous !== undefined],
  [PersistentVolumeClaim, ({ object, previous }: Change<PersistentVolumeClaim>) => !object || previous !== undefined],
])

function quotasOf({ metadata }: KubeObject, informers: Informers): ObjectKey[] {
  return informers
    .of(ResourceQuota)
    .list(metadata?.namespace)
    .map((quota) => keyOf(quota))
}
