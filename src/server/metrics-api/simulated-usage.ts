// What the pods of simulated nodes use: as annotations say, else half of what they request. The objects and the time tell it all, so one history of
// the cluster has one history of usage. Looked at once in a window, when somebody asks: like kubelets, it tells the same until the next. What was worked
// out for one window holds for the next if nothing it was worked out from has changed.
import { isConditionTrue } from '#api/conditions.ts'
import type { OwnerReference } from '#api/generated/types.ts'
import { equal } from '#api/equal.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { Kind } from '#api/kind.ts'
import { keyOf, keyText, type KubeObject, type ObjectKey } from '#api/object.ts'
import type { Clock } from '#lib/clock.ts'
import type { Registry } from '#server/registry.ts'
import type { ObjectReader } from '#server/request.ts'
import { amountIn, amountsAt, factsOf, type PodFacts, type Resource } from './pod-facts.ts'
import { type NodeReading, type PodReading, type PodReadings, RESOLUTION_MS } from './reading.ts'

const SIMULATED = 'node.sampan.dev/simulated'
/** Of a workload: what all its running pods use together, in equal parts. */
const LOAD = { cpu: 'sampan.dev/load-cpu', memory: 'sampan.dev/load-memory' } as const
/** Deployments own through replica sets, CronJobs through Jobs; deeper chains end here. */
const MOST_OWNERS = 4

interface Load {
  /** The same text for all pods that share it. */
  sharing: string
  amount: number
}
/** Those that were asked, also where there was none: by resource, then `namespace/name`. */
type Owners = Map<string, Set<string>>
type Loads = Partial<Record<Resource, Load>>
const NO_LOADS: Loads = {}

/** What was read, and whom it was worked out from besides pods and nodes; only kept where the passing of time alone changes nothing. */
interface Basis {
  pods: PodReadings['pods']
  owners: Owners
}

export interface SimulatedUsageContext {
  reader: ObjectReader
  registry: Pick<Registry, 'findKind'>
  clock: Clock
}

export class SimulatedUsage {
  readonly #context: SimulatedUsageContext
  #readAt = NaN
  /** By namespace; '' is all. */
  readonly #pods = new Map<string, PodReadings>()
  /** What the windows before were worked out from, by namespace. */
  readonly #basis = new Map<string, Basis>()
  #followed: Disposable[] = []
  readonly #followedOwners = new Set<string>()
  #changes = 0

  constructor(context: SimulatedUsageContext) {
    this.#context = context
  }

  /** How often running pods, and nodes that are measured, have changed since somebody first asked. */
  get changes(): number {
    return this.#changes
  }

  /** Those of `namespace`, or of all. The same pods with the same amounts are the same map. */
  pods(namespace = ''): PodReadings {
    const timestamp = this.#timestamp()
    if (this.#readAt !== timestamp) this.#pods.clear()
    this.#readAt = timestamp
    let readings = this.#pods.get(namespace)
    if (!readings) {
      const pods = this.#basis.get(namespace)?.pods ?? this.#read(timestamp, namespace)
      this.#pods.set(namespace, (readings = { timestamp, windowMs: RESOLUTION_MS, pods }))
    }
    return readings
  }

  [Symbol.dispose](): void {
    for (const one of this.#followed) one[Symbol.dispose]()
    this.#followed = []
    this.#followedOwners.clear()
  }

  /** Pods that run and nodes tell when they change: whatever was worked out before is then out of date. */
  #follow(): void {
    if (this.#followed.length > 0) return
    const { reader } = this.#context
    const changed = () => {
      this.#changes++
      this.#basis.clear()
    }
    this.#followed = [
      reader.onChange(Pod, ({ object, previous }) => {
        if (isRunning(object) || isRunning(previous)) changed()
      }),
      reader.onChange(Node, ({ object, previous }) => {
        if (isMeasured(object) !== isMeasured(previous)) changed()
      }),
    ]
  }

  /** Likewise those who say what their pods use. */
  #followOwners(kind: Kind<any>): void {
    const resource = resourceOf(kind)
    if (this.#followedOwners.has(resource)) return
    this.#followedOwners.add(resource)
    const following = this.#context.reader.onChange<KubeObject>(kind, ({ object, previous }) => {
      if (object && previous && saysTheSame(object, previous)) return
      const name = keyText(keyOf((object ?? previous)!))
      for (const { owners } of this.#basis.values()) if (owners.get(resource)?.has(name)) return this.#basis.clear()
    })
    this.#followed.push(following)
  }

  /** Everything is read at the same moments. */
  #timestamp(): number {
    return Math.floor(this.#context.clock.now() / RESOLUTION_MS) * RESOLUTION_MS
  }

  #read(timestamp: number, namespace: string): PodReadings['pods'] {
    this.#follow()
    const { reader } = this.#context
    const owners: Owners = new Map()
    let steady = true
    const alive = new Map<string, boolean>()
    const measured: { facts: PodFacts; loads: Loads }[] = []
    const sharers = new Map<string, number>()
    const known = new Map<string, Loads>()
    for (const pod of reader.list(Pod, namespace || undefined)) {
      if (!isRunning(pod)) continue
      const node = pod.spec!.nodeName!
      if (!alive.has(node)) alive.set(node, this.#measures(node))
      if (!alive.get(node)) continue
      const facts = factsOf(pod)
      // Others have started since the window ended.
      if (facts.lastStartMs > timestamp) steady = false
      if (!(facts.firstStartMs <= timestamp)) continue
      const loads = this.#loadsOf(pod, facts, { known, owners })
      for (const load of [loads.cpu, loads.memory]) if (load) sharers.set(load.sharing, (sharers.get(load.sharing) ?? 0) + 1)
      measured.push({ facts, loads })
    }
    const shareOf = (load: Load | undefined) => load && load.amount / sharers.get(load.sharing)!
    const pods = new Map<string, PodReading['containers']>()
    for (const { facts, loads } of measured) {
      const share = { cpu: shareOf(loads.cpu), memory: shareOf(loads.memory) }
      pods.set(facts.key, amountsAt({ timestamp, facts, share }))
    }
    if (steady) this.#basis.set(namespace, { pods, owners })
    return pods
  }

  /** By name. A node uses what its pods use. */
  nodes(): Map<string, NodeReading> {
    const { reader } = this.#context
    const timestamp = this.#timestamp()
    const readings = new Map<string, NodeReading>()
    for (const { metadata } of reader.list(Node)) {
      const name = metadata?.name ?? ''
      if (this.#measures(name)) readings.set(name, { timestamp, windowMs: RESOLUTION_MS, cpuNanoCores: 0, memoryBytes: 0 })
    }
    const { pods } = this.pods()
    for (const { metadata, spec } of reader.list(Pod)) {
      const node = readings.get(spec?.nodeName ?? '')
      const containers = node && pods.get(`${metadata?.namespace}/${metadata?.name}`)
      if (!containers) continue
      for (const { cpuNanoCores, memoryBytes } of containers) {
        node.cpuNanoCores += cpuNanoCores
        node.memoryBytes += memoryBytes
      }
    }
    return readings
  }

  #measures(name: string): boolean {
    return isMeasured(this.#context.reader.get(Node, { name }))
  }

  /** The outermost owner that names a load: what a Deployment says is copied to its replica sets. */
  #loadsOf(pod: Pod, { owner: first }: PodFacts, { known, owners }: { known: Map<string, Loads>; owners: Owners }): Loads {
    const { reader, registry } = this.#context
    if (!first) return NO_LOADS
    const before = known.get(first.uid)
    if (before) return before
    const loads: Loads = {}
    let reference: OwnerReference | undefined = first
    for (let depth = 0; reference && depth < MOST_OWNERS; depth++) {
      const kind: Kind<any> | undefined = registry.findKind(reference.apiVersion, reference.kind)?.kind
      if (!kind || kind.virtual) break
      const key: ObjectKey = { ...(kind.scope === 'Namespaced' ? { namespace: pod.metadata!.namespace! } : {}), name: reference.name }
      const owner: KubeObject | undefined = reader.get(kind, key)
      this.#followOwners(kind)
      const asked = owners.get(resourceOf(kind)) ?? new Set()
      owners.set(resourceOf(kind), asked.add(keyText(key)))
      if (owner?.metadata?.uid !== reference.uid) break
      for (const resource of RESOURCES) {
        const amount = amountIn(owner, LOAD[resource])
        if (amount !== undefined) loads[resource] = { sharing: `${resource} ${reference.uid}`, amount }
      }
      reference = owner.metadata?.ownerReferences?.find(({ controller }) => controller)
    }
    known.set(first.uid, loads)
    return loads
  }
}

const RESOURCES: readonly Resource[] = ['cpu', 'memory']

const resourceOf = ({ group, plural }: Kind<any>): string => `${plural}.${group}`

/** Of what pods use, and on whose behalf. */
function saysTheSame({ metadata: after }: KubeObject, { metadata: before }: KubeObject): boolean {
  const said = RESOURCES.every((resource) => after?.annotations?.[LOAD[resource]] === before?.annotations?.[LOAD[resource]])
  return said && after?.uid === before?.uid && equal(after?.ownerReferences, before?.ownerReferences)
}

function isRunning(pod: Pod | undefined): boolean {
  return pod?.status?.phase === 'Running' && !!pod.spec?.nodeName
}

/** A simulated node that is lost tells nothing. */
function isMeasured(node: Node | undefined): boolean {
  return isSimulated(node) && isConditionTrue(node?.status?.conditions, 'Ready')
}

export function isSimulated(node: Node | undefined): boolean {
  return node?.metadata?.labels?.[SIMULATED] === 'true'
}
