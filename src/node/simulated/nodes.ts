// Many nodes for the price of one: they join the cluster, heartbeat, and show the pods bound to them as Running and Ready, without any
// container. One informer, one heartbeat loop and a bounded number of writes at a time serve them all.
import type { Node as ApiNode, Pod as ApiPod } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ResourceSlice } from '#api/kinds/resource/resource-slice.ts'
import { KUBERNETES_VERSION } from '#api/kubernetes-version.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { createEventRecorder } from '#client/event-recorder.ts'
import type { Informers } from '#client/informer.ts'
import { type Clock, formatTime } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import { orAborted } from '#lib/or-aborted.ts'
import type { Random } from '#lib/random.ts'
import type { Service } from '#lib/service.ts'
import { ensureCsiNode } from '#node/csi-node.ts'
import { NodeLease } from '#node/lease.ts'
import { nodeLabels, nodeStatus } from '#node/node-status.ts'
import { nodeAddressOf, subnetOf } from './addresses.ts'
import { claimNames, firstSubnetFor, type NamesOptions } from './joining.ts'
import { DEVICES, isPublished, publishDevices } from './devices.ts'
import { type NodeState, stateOf } from './node-state.ts'
import { SimulatedPods } from './pods.ts'
import { Evictions } from './pressure.ts'
import { defineStages, Stages } from './stages/stages.ts'
import { WorkPool } from './work-pool.ts'

export interface SimulatedNodesOptions {
  count: number
  client: Client
  informers: Informers
  clock: Clock
  log: Logger
  /** `simulated-0` and so on. */
  namePrefix?: string
  /** Number of the first node's subnet. */
  firstSubnet?: number
  capacity?: Record<string, string>
  labels?(index: number): Record<string, string>
  /** Others may simulate nodes of this cluster: names and ranges of theirs are refused. `firstSubnet` is any that is free unless given. */
  joining?: Pick<NamesOptions, 'identity' | 'isGone'>
  /** Stages are played, by this chance; without it none are. */
  stages?: { random: Random; define: boolean }
}

const CAPACITY = { cpu: '32', memory: '256Gi', 'ephemeral-storage': '1Ti', pods: '110' }
const HEARTBEAT_MS = 20_000
const BEATS = 20
/** A kubelet of whose node nothing has changed says so this often. */
const REPORT_MS = 5 * 60_000
const CONDITIONS: ReadonlySet<string> = new Set(['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'])
const CONCURRENCY = 192
/** Leases and heartbeats go past whatever else waits: nodes whose pods are many are as alive as others. */
const HEARTBEAT_CONCURRENCY = 16
const RETRY_MS = 500
const INFO = {
  architecture: 'amd64',
  bootID: '',
  containerRuntimeVersion: 'simulated://1',
  kernelVersion: 'simulated',
  kubeProxyVersion: '',
  kubeletVersion: KUBERNETES_VERSION,
  machineID: '',
  operatingSystem: 'linux',
  osImage: 'Simulated',
  systemUUID: '',
}

interface Member {
  name: string
  index: number
  lease: NodeLease
  uid: string | undefined
  state: NodeState
  /** When its conditions are told anew. */
  reportAtMs: number
  /** What it publishes, as its annotation says. */
  devices: string
}

export function createSimulatedNodes(options: SimulatedNodesOptions): Service {
  const { count, client, informers, clock, log, namePrefix = 'simulated' } = options
  let firstSubnet = options.firstSubnet ?? 0
  const members = new Map<string, Member>()
  for (let index = 0; index < count; index++) {
    const name = `${namePrefix}-${index}`
    members.set(name, {
      name,
      index: firstSubnet + index,
      lease: new NodeLease({ client, clock, node: name }),
      uid: undefined,
      state: stateOf(undefined),
      // Not all at once, though they begin together.
      reportAtMs: clock.monotonic() + REPORT_MS * (0.5 + index / count),
      devices: '',
    })
  }

  const statusOf = (member: Member, node?: ApiNode) => {
    const capacity = options.capacity ?? CAPACITY
    return nodeStatus({
      name: member.name,
      addresses: [
        { type: 'InternalIP', address: nodeAddressOf(member.index) },
        { type: 'Hostname', address: member.name },
      ],
      capacity,
      allocatable: capacity,
      info: INFO,
      kubeletPort: 0,
      images: [],
      pressure: member.state.pressure,
      ...(member.state.notReady ? { notReady: 'the annotation sampan.dev/node-state says so' } : {}),
      now: clock.now(),
      previous: node?.status ?? {},
    })
  }

  const ready = async (member: Member, node: ApiNode) => {
    const patch = { status: statusOf(member, node) }
    await client.patch(Node, { name: member.name }, { type: 'strategic', patch }, { subresource: 'status' })
  }

  /** Its conditions stand, whoever set them. */
  const heartbeat = async (member: Member) => {
    member.reportAtMs = clock.monotonic() + REPORT_MS
    const lastHeartbeatTime = formatTime(clock.now())
    const own =
      informers
        .of(Node)
        .get({ name: member.name })
        ?.status?.conditions?.filter(({ type }) => CONDITIONS.has(type)) ?? []
    const patch = { status: { conditions: own.map(({ type }) => ({ type, lastHeartbeatTime })) } }
    if (own.length > 0)
      await client.patch(Node, { name: member.name }, { type: 'strategic', patch }, { subresource: 'status' }).catch(ignoreNotFound)
  }

  const join = async (member: Member) => {
    const { name, index } = member
    const present = await client.get(Node, { name }).catch(ignoreNotFound)
    let node = present
    if (!node) {
      const podCIDR = subnetOf(index)
      const labels = {
        ...nodeLabels(name, INFO.architecture),
        'node.sampan.dev/simulated': 'true',
        ...options.labels?.(index - firstSubnet),
      }
      node = await client.create(Node, {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels },
        spec: { podCIDR, podCIDRs: [podCIDR] },
        status: statusOf(member),
      })
    }
    member.uid = node.metadata?.uid
    member.state = stateOf(node)
    if (member.state.lost) return
    if (present) await ready(member, present)
    await member.lease.renew(member.uid)
    if (member.uid) await ensureCsiNode(client, { name, uid: member.uid })
  }

  return {
    name: `simulated nodes (${count})`,
    async start(signal) {
      const stop = new AbortController()
      await using starting = new AsyncDisposableStack()
      starting.defer(() => stop.abort(new Error('the simulated nodes were stopped')))
      if (options.joining) {
        starting.use(await claimNames({ ...options.joining, client, clock, log, namePrefix }, signal))
        const first = await firstSubnetFor([...members.keys()], { client, wanted: options.firstSubnet })
        for (const member of members.values()) member.index += first - firstSubnet
        firstSubnet = first
      }
      const pool = new WorkPool({ concurrency: CONCURRENCY, clock, log, signal: stop.signal })
      const heartbeats = new WorkPool({ concurrency: HEARTBEAT_CONCURRENCY, clock, log, signal: stop.signal })
      // From the first that has joined on: all of a large fleet may take longer than a node may be silent.
      const all = [...members.values()]
      let beat = 0
      // Few nodes wake no oftener than they have to.
      const beats = Math.max(1, Math.min(BEATS, all.length))
      const period = HEARTBEAT_MS / beats
      starting.use(
        clock.every(period, () => {
          beat = (beat + 1) % beats
          for (let index = beat; index < all.length; index += beats) {
            const member = all[index]!
            if (!member.uid || member.state.lost) continue
            if (clock.monotonic() >= member.reportAtMs) heartbeats.add(`heartbeat ${member.name}`, () => heartbeat(member))
            heartbeats.add(`lease ${member.name}`, () =>
              member.lease.renew(member.uid).catch((error: unknown) => {
                if (!hasReason(error, 'NotFound')) throw error
              }),
            )
          }
        }),
      )
      await Promise.all(all.map((member) => pool.run(() => join(member), { retryMs: RETRY_MS, signal })))

      const nodes = informers.of(Node)
      const events =
        options.stages &&
        createEventRecorder({ client, clock, random: options.stages.random, log, component: 'kubelet', signal: stop.signal })
      let stages: Stages | undefined
      const pods = new SimulatedPods({
        client,
        clock,
        pool,
        log,
        ...(events ? { events } : {}),
        holds: (pod) => stages?.holds(pod) ?? false,
        node(name) {
          const member = members.get(name)
          if (!member || member.state.lost) return undefined
          const node = nodes.get({ name })
          return {
            ip: nodeAddressOf(member.index),
            podCidr: node?.spec?.podCIDR ?? subnetOf(member.index),
            facts: () => ({
              name,
              labels: node?.metadata?.labels ?? {},
              taints: node?.spec?.taints ?? [],
              allocatable: node?.status?.allocatable ?? options.capacity ?? CAPACITY,
              pressure: member.state.pressure,
            }),
          }
        },
      })
      starting.defer(() => pods.stop())
      await orAborted(informers.of(Pod).synced(), signal)
      pods.reserve(informers.of(Pod).list())
      starting.use(
        informers.of(Pod).subscribe(({ object, previous }: { object?: ApiPod; previous?: ApiPod }) => pods.observe(object, previous)),
      )

      if (options.stages) {
        const { random, define } = options.stages
        const played = { client, clock, random, log, signal: stop.signal }
        const told = createEventRecorder({ ...played, component: 'simulated-nodes' })
        const isOurs = (name: string) => members.has(name)
        stages = new Stages({
          ...played,
          informers,
          events: told,
          pool,
          isOurs,
          exit: (pod, exit) => pods.exit(pod, exit),
          release: (pod) => pods.observe(pod, undefined),
        })
        starting.use(stages.start())
        if (define) pool.add('stages', () => defineStages(client))
      }

      const evictions = starting.use(
        new Evictions({
          clock,
          pressureOf: (name) => (members.get(name)!.state.lost ? undefined : members.get(name)!.state.pressure),
          podsOf: (name) =>
            informers
              .of(Pod)
              .list()
              .filter(({ spec }) => spec?.nodeName === name),
          attempt(name, resource) {
            const node = nodes.get({ name })
            if (node) events?.event(node, 'Warning', 'EvictionThresholdMet', `Attempting to reclaim ${resource}`)
          },
          evict: (pod, message) => pods.evict(pod, message),
        }),
      )
      for (const { name } of all) evictions.follow(name)

      const publishSoon = (member: Member) =>
        pool.add(`devices ${member.name}`, async () => {
          const node = nodes.get({ name: member.name })
          if (!node || node.metadata?.deletionTimestamp) return
          const fault = await publishDevices(node, { client, present: informers.of(ResourceSlice).list() })
          if (fault) events?.event(node, 'Warning', 'BadAnnotation', fault)
        })

      starting.use(
        nodes.subscribe(({ object }) => {
          const member = object && members.get(object.metadata?.name ?? '')
          if (!member || object.metadata?.deletionTimestamp) return
          const before = member.state
          member.state = stateOf(object)
          const { [DEVICES]: devices = '' } = object.metadata?.annotations ?? {}
          if (devices !== member.devices) publishSoon(member)
          member.devices = devices
          if (before.text !== member.state.text) {
            for (const fault of member.state.faults) events?.event(object, 'Warning', 'BadAnnotation', fault)
            evictions.follow(member.name)
          }
          if (member.state.lost) return
          const unknown = object.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'Unknown'
          if (unknown || before.text !== member.state.text) pool.add(member.name, () => ready(member, object))
          if (!before.lost) return
          pool.add(`lease ${member.name}`, () => member.lease.renew(member.uid))
          const here = informers
            .of(Pod)
            .list()
            .filter(({ spec }) => spec?.nodeName === member.name)
          // What they have first, or those who come get it too.
          pods.reserve(here)
          for (const pod of here) pods.observe(pod, undefined)
        }),
      )
      await orAborted(informers.of(ResourceSlice).synced(), signal)
      starting.use(
        informers.of(ResourceSlice).subscribe(({ object, previous }) => {
          const slice = object ?? previous!
          const member = members.get(slice.spec?.nodeName ?? '')
          if (member && (isPublished(slice, member.name) || (previous && isPublished(previous, member.name)))) publishSoon(member)
        }),
      )
      return starting.move()
    },
  }
}
