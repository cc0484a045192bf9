// Objects are paid for before they are stored. The status of the quota is the account: charged by compare-and-swap, so that two requests cannot
// spend the same. A full account is counted again before anyone is refused, what others have paid for and not yet stored included.
import type { Pod, ResourceQuota as Quota } from '#api/generated/types.ts'
import type { Kind } from '#api/kind.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { ResourceQuota } from '#api/kinds/core/resource-quota.ts'
import { Service } from '#api/kinds/core/service.ts'
import { ResourceResourceClaim as ResourceClaim } from '#api/kinds/resource/resource-claim.ts'
import { keyOf, keyText, type KubeObject, type ObjectKey } from '#api/object.ts'
import { Quantity, quantityOf, ZERO } from '#api/quantity.ts'
import { isCountable, isOfPods } from '#api/quota-names.ts'
import { ignoreNotFound, type StatusError } from '#api/status.ts'
import type { AdmissionPlugin, AdmissionRequest, ObjectChange, ServerContext } from '#server/request.ts'
import { type Amounts, add } from './pod-usage.ts'
import { isOfDevices } from './device-usage.ts'
import { type Circumstances, inScope, missingRequests, usageOf } from './quota-usage.ts'
import { type LimitedResource, refuseUncovered } from './limited-resources.ts'
import { denied, target } from './refusal.ts'

/** Whose updates can ask for more than before. */
const UPDATED = new Set(['services', 'persistentvolumeclaims', 'pods/resize'])

const COUNTER = 'system:serviceaccount:kube-system:resourcequota-controller'
/** Accounts that have just been charged are counted anew for so long. */
const CHARGED_MS = 5000

/** A write that has paid is stored or has failed by then. */
const UNDER_WAY_MS = 30_000

export function resourceQuota(context: ServerContext, limited: readonly LimitedResource[] = []): AdmissionPlugin {
  const underWay = new UnderWay(context)
  return {
    name: 'ResourceQuota',
    /** Whoever counts what is there cannot know what has been paid for and is not there yet: their number would lose it. */
    admit(request) {
      if (target(request) !== 'resourcequotas/status' || request.attributes.user.username !== COUNTER) return
      const [next, account] = [request.object as Quota | undefined, request.oldObject as Quota | undefined]
      if (!next?.status || !account || !underWay.concerns(account)) return
      next.status.used = { ...next.status.used, ...countUsage(account, context, underWay) }
    },
    validate(request) {
      const { attributes, operation, object, kind } = request
      if (!object || !attributes.namespace || kind.virtual || !isCountable(kind)) return
      if (operation === 'CREATE' ? attributes.subresource !== '' : operation !== 'UPDATE' || !mayCostMore(request)) return
      const all = [...context.reader.list(ResourceQuota, attributes.namespace)].filter(({ spec }) => spec)
      const quotas = all.filter(({ spec }) => inScope(spec!, kind, object))
      if (limited.length > 0) limit(request, limited, { context, covering: quotas, all })
      return quotas.length > 0 ? charge(request, quotas, { context, underWay }) : undefined
    },
  }
}

interface Limits {
  context: ServerContext
  covering: readonly Quota[]
  all: readonly Quota[]
}

/** Only what costs more than before can lack a quota. */
function limit(request: AdmissionRequest, limited: readonly LimitedResource[], { context, covering, all }: Limits): void {
  const circumstances = circumstancesOf(context)
  const usage = usageOf(request.kind, request.object!, circumstances)
  const more = request.oldObject ? growth(usageOf(request.kind, request.oldObject, circumstances), usage) : usage
  if (more.size > 0) refuseUncovered(request, limited, { usage, covering, all })
}

/** A pod may be given an end, and be another quota's from then on. */
function mayCostMore(request: AdmissionRequest): boolean {
  const what = target(request)
  const ends = (object: KubeObject | undefined) => (object as Pod | undefined)?.spec?.activeDeadlineSeconds !== undefined
  return UPDATED.has(what) || (what === 'pods' && ends(request.object) !== ends(request.oldObject))
}

interface Books {
  context: ServerContext
  underWay: UnderWay
}

async function charge(request: AdmissionRequest, quotas: readonly Quota[], { context, underWay }: Books): Promise<void> {
  const circumstances = circumstancesOf(context)
  const whole = usageOf(request.kind, request.object!, circumstances)
  const more = request.oldObject ? growth(usageOf(request.kind, request.oldObject, circumstances), whole) : whole
  const paid: { quota: Quota; share: Amounts }[] = []
  try {
    for (const quota of quotas) {
      const hard = quota.spec?.hard ?? {}
      // One that was another quota's so far costs this one all.
      const cost = request.oldObject && !inScope(quota.spec!, request.kind, request.oldObject) ? whole : more
      if ((request.kind as unknown) === PodKind && request.operation === 'CREATE') {
        const missing = missingRequests(request.object as Pod, Object.keys(hard))
        if (missing) throw denied(request, `failed quota: ${quota.metadata?.name}: ${missing}`)
      }
      const share = new Map([...cost].filter(([name]) => Object.hasOwn(hard, name)))
      if (share.size === 0) continue
      await pay(request, { quota, share, context, underWay }).catch(ignoreNotFound)
      paid.push({ quota, share })
    }
  } catch (error) {
    for (const { quota, share } of request.dryRun ? [] : paid) {
      underWay.forget(request, quota)
      await refund(quota, share, context)
    }
    throw error
  }
}

function circumstancesOf({ clock, reader }: ServerContext): Circumstances {
  return { now: clock.now(), find: (kind, key) => reader.get(kind, key) }
}

/** What there is more of. */
function growth(before: ReadonlyMap<string, Quantity>, after: ReadonlyMap<string, Quantity>): Amounts {
  const more: Amounts = new Map()
  for (const [name, amount] of after) {
    const difference = amount.sub(before.get(name) ?? ZERO)
    if (difference.sign > 0) more.set(name, difference)
  }
  return more
}

interface Payment {
  quota: Quota
  share: Amounts
  context: ServerContext
  underWay: UnderWay
}

async function pay(request: AdmissionRequest, { quota, share, context, underWay }: Payment): Promise<void> {
  const options = { subresource: 'status', dryRun: request.dryRun }
  const change = (by: (account: Quota) => void) => context.writer.modify(ResourceQuota, keyOf(quota), by, options)
  const refuseShort = (account: Quota, used: Record<string, string>, worthRecounting: boolean) => {
    const hard = account.spec?.hard ?? {}
    const short = [...share].filter(([name, amount]) => quantityOf(used[name]).add(amount).compare(quantityOf(hard[name])) > 0)
    if (short.length === 0) return
    throw new Exceeded(refusal(request, { account, used, share, short: short.map(([name]) => name) }), worthRecounting)
  }
  const charge = (account: Quota, worthRecounting: boolean) => {
    const known = [...share.keys()].every((name) => account.status?.used?.[name] !== undefined)
    // What this request has tried before is no payment.
    underWay.forget(request, quota)
    const used = known ? account.status!.used! : countUsage(account, context, underWay)
    refuseShort(account, used, known && worthRecounting)
    const after = { ...used }
    for (const [name, amount] of share) after[name] = quantityOf(used[name]).add(amount).toString()
    account.status = { hard: { ...account.spec?.hard }, used: after }
    // Before the account is stored: who counts in the meantime must not miss it.
    if (!request.dryRun && request.operation === 'CREATE') underWay.add(request, quota, share)
  }
  const recount = (account: Quota) => {
    const used = countUsage(account, context, underWay)
    refuseShort(account, used, false)
    account.status = { hard: { ...account.spec?.hard }, used }
  }
  try {
    await change((account) => charge(account, true)).catch(async (error: unknown) => {
      if (!(error instanceof Exceeded && error.worthRecounting)) throw error
      // Stored before the charge: the two together could come to what was there, and a write that changes nothing would not be noticed by who
      // has counted before it and writes after.
      await change(recount)
      if (!request.dryRun) await change((account) => charge(account, false))
    })
  } catch (error) {
    underWay.forget(request, quota)
    throw error instanceof Exceeded ? error.refusal : error
  }
}

/** What has been paid for and cannot be counted yet: gone from here as soon as it is seen stored. */
class UnderWay {
  readonly #context: ServerContext
  readonly #followed = new Set<Kind<any>>()
  readonly #paid = new Map<string, { account: string; share: Amounts; untilMs: number; isThere(): boolean }>()
  /** Until when, by account. */
  readonly #charged = new Map<string, number>()

  constructor(context: ServerContext) {
    this.#context = context
  }

  add(request: AdmissionRequest, quota: Quota, share: Amounts): void {
    this.#follow(request.kind)
    const now = this.#context.clock.monotonic()
    const account = keyText(keyOf(quota))
    const { kind, attributes } = request
    // Of a name that is taken it is refused yet.
    const isThere = () => this.#context.reader.get(kind, { namespace: attributes.namespace, name: attributes.name }) !== undefined
    this.#paid.set(paymentOf(request, quota), { account, share, untilMs: now + UNDER_WAY_MS, isThere })
    // The latest last, so that those whose time is over come first.
    this.#charged.delete(account)
    for (const [name, untilMs] of this.#charged) {
      if (untilMs > now) break
      this.#charged.delete(name)
    }
    this.#charged.set(account, now + CHARGED_MS)
  }

  /** Whether a count made elsewhere may lack what this account was charged for. */
  concerns(quota: Quota): boolean {
    return (this.#charged.get(keyText(keyOf(quota))) ?? 0) > this.#context.clock.monotonic()
  }

  /** What will not be stored, as another quota has refused it. */
  forget(request: AdmissionRequest, quota: Quota): void {
    this.#paid.delete(paymentOf(request, quota))
  }

  *of(quota: Quota): Generator<Amounts> {
    const wanted = keyText(keyOf(quota))
    const now = this.#context.clock.monotonic()
    for (const [key, { account, share, untilMs, isThere }] of this.#paid) {
      if (untilMs <= now) this.#paid.delete(key)
      else if (account === wanted && !isThere()) yield share
    }
  }

  #follow(kind: Kind<any>): void {
    if (this.#followed.has(kind)) return
    this.#followed.add(kind)
    const written = ({ object }: ObjectChange<KubeObject>) => {
      if (!object || this.#paid.size === 0) return
      const prefix = `${nameOf(kind, keyOf(object))} `
      for (const key of this.#paid.keys()) if (key.startsWith(prefix)) this.#paid.delete(key)
    }
    this.#context.reader.onChange(kind, written, { glance: true })
  }
}

const paymentOf = ({ kind, attributes: { namespace, name } }: AdmissionRequest, quota: Quota) =>
  `${nameOf(kind, { namespace, name })} ${keyText(keyOf(quota))}`

const nameOf = ({ group, plural }: Kind<any>, { namespace = '', name }: ObjectKey) => `${group}/${plural}/${namespace}/${name}`

class Exceeded extends Error {
  readonly refusal: StatusError
  readonly worthRecounting: boolean

  constructor(refusal: StatusError, worthRecounting: boolean) {
    super(refusal.message)
    this.refusal = refusal
    this.worthRecounting = worthRecounting
  }
}

async function refund(quota: Quota, cost: Amounts, { writer, log }: ServerContext): Promise<void> {
  const giveBack = (account: Quota) => {
    const used = { ...account.status?.used }
    for (const [name, amount] of cost) {
      if (used[name] === undefined) continue
      const left = quantityOf(used[name]).sub(amount)
      used[name] = (left.sign < 0 ? ZERO : left).toString()
    }
    account.status = { ...account.status, used }
  }
  await writer.modify(ResourceQuota, keyOf(quota), giveBack, { subresource: 'status' }).catch((error: unknown) => {
    log.warn('quota not refunded', { quota: quota.metadata?.name, error })
  })
}

interface Shortage {
  account: Quota
  used: Record<string, string>
  share: Amounts
  short: readonly string[]
}

function refusal(request: AdmissionRequest, { account, used, share, short }: Shortage): StatusError {
  const list = (of: (name: string) => Quantity) =>
    short
      .toSorted()
      .map((name) => `${name}=${of(name)}`)
      .join(',')
  const requested = list((name) => share.get(name)!)
  const limited = list((name) => quantityOf(account.spec?.hard?.[name]))
  return denied(
    request,
    `exceeded quota: ${account.metadata?.name}, requested: ${requested}, used: ${list((name) => quantityOf(used[name]))}, limited: ${limited}`,
  )
}

/** What the namespace really holds of everything the quota limits. */
function countUsage(quota: Quota, context: ServerContext, underWay: UnderWay): Record<string, string> {
  const { reader, registry } = context
  const { metadata, spec } = quota
  const circumstances = circumstancesOf(context)
  const kinds = new Map(Object.keys(spec?.hard ?? {}).map((name) => [name, countedKinds(name, registry.kinds())]))
  // Of a name that nothing counts towards nothing is said.
  const names = [...kinds.keys()].filter((name) => kinds.get(name)!.length > 0)
  const sum: Amounts = new Map(names.map((name) => [name, ZERO]))
  for (const kind of new Set([...kinds.values()].flat()))
    for (const object of reader.list<KubeObject>(kind, metadata?.namespace))
      if (inScope(spec ?? {}, kind, object)) add(sum, usageOf(kind, object, circumstances))
  for (const share of underWay.of(quota)) add(sum, share)
  return Object.fromEntries(names.map((name) => [name, sum.get(name)!.toString()]))
}

/** Kinds that can count against that name. */
function countedKinds(name: string, served: readonly Kind<any>[]): Kind<any>[] {
  const counted = served.find(
    (kind) =>
      !kind.virtual &&
      isCountable(kind) &&
      (name === kind.plural || name === `count/${kind.group ? `${kind.plural}.${kind.group}` : kind.plural}`),
  )
  const kinds: Kind<any>[] = isOfDevices(name) ? [ResourceClaim] : []
  if (counted) kinds.push(counted)
  else if (name.startsWith('services.')) kinds.push(Service)
  else if (name === 'requests.storage' || name.includes('.storageclass.storage.k8s.io/')) kinds.push(PersistentVolumeClaim)
  else if (isOfPods(name)) kinds.push(PodKind)
  return kinds
}
