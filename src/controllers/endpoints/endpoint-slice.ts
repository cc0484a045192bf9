// endpointslice-controller: the slices of every service with a selector, from the pods behind it.
import { equal } from '#api/equal.ts'
import type { Endpoint } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Service } from '#api/kinds/core/service.ts'
import { EndpointSlice } from '#api/kinds/discovery/endpoint-slice.ts'
import { keyOf, keyText, type ObjectKey, parseKeyText } from '#api/object.ts'
import { ignoreNotFound, StatusError } from '#api/status.ts'
import { HEADLESS_LABEL, SERVICE_NAME_LABEL, SLICE_MANAGER_LABEL, ZONE_LABEL } from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import type { Informers } from '#client/informer.ts'
import { itself, mapped } from '#client/triggers.ts'
import { controllerReference } from '#controllers/owners.ts'
import { Repeats } from '#controllers/repeats.ts'
import { templateHash } from '#controllers/template-hash.ts'
import { compareTexts } from '#lib/order.ts'
import { isNamespaceTerminating, textOf } from '#controllers/pod-control.ts'
import { isReady } from '#controllers/pod-state.ts'
import {
  addressesOf,
  addressType,
  hostnameIn,
  isHeadless,
  LAST_CHANGE,
  podsOf,
  portsOf,
  servicesOf,
  wantsUnready,
  withAddress,
} from './service-ports.ts'
import { endpointKey, planSlices, type PortGroup, type SlicePlan } from './slice-plan.ts'
import { slicesOf } from './slices-of.ts'
import { hintSlices, isAuto, nodeFacts } from './topology-hints.ts'
import { TriggerTimes } from './trigger-times.ts'

const MANAGER = 'endpointslice-controller.k8s.io'
const PER_SLICE = 100
const ENABLED = 'Topology Aware Hints has been enabled'
const RETRY_MS = { first: 1000, most: 1_000_000 }

export function endpointSliceController(): Controller {
  const times = new TriggerTimes()
  const changed = new Repeats()
  /** Services in topology mode Auto by family, what each was told last, and what hints go by: facts of nodes. */
  const told = new Map<string, string>()
  const facts = new Map<string, string>()
  const autoServices = ({ metadata }: Node, informers: Informers): ObjectKey[] => {
    const { name = '' } = metadata!
    const node = informers.of(Node).get({ name })
    const now = node && nodeFacts(node)
    if (facts.get(name) === now) return []
    if (now === undefined) facts.delete(name)
    else facts.set(name, now)
    return [...told.keys()].map((text) => parseKeyText(text.slice(text.indexOf(' ') + 1)))
  }
  return {
    name: 'endpointslice-controller',
    component: 'endpoint-slice-controller',
    workers: 20,
    retryMs: RETRY_MS,
    retries: 15,
    triggers: [itself(Service), mapped(Pod, servicesOf), mapped(EndpointSlice, serviceOfSlice), mapped(Node, autoServices)],
    async reconcile(key, context) {
      const service = context.informers.of(Service).get(key)
      if (!service) {
        for (const type of ['IPv4', 'IPv6']) told.delete(`${type} ${keyText(key)}`)
        return times.forget(keyText(key))
      }
      if (service.spec?.type === 'ExternalName' || !service.spec?.selector || Object.keys(service.spec.selector).length === 0) return
      const selected = podsOf(service, context.informers)
      const behind = withAddress(selected)
      const lost = wantsUnready(service) ? [] : behind.filter((pod) => isLost(pod, context.informers))
      const pods = behind.filter((pod) => !lost.includes(pod))
      const changedAt = times.next(service, selected)
      const failures: Error[] = lost.map((pod) => new StatusError('NotFound', lostText(service, pod)))
      for (const type of familiesOf(service))
        failures.push(...(await syncFamily(service, { type, pods, changedAt, told, changed, context })))
      failures.push(...(await removeForeignFamilies(service, context)))
      if (failures.length > 0) {
        const each = failures.map(({ message }) => message)
        const why = each.length > 1 ? `[${each.join(', ')}]` : each[0]
        const text = `Error updating Endpoint Slices for Service ${keyText(key)}: ${why}`
        context.events.event(service, 'Warning', 'FailedToUpdateEndpointSlices', text)
        context.metrics.add('endpoint_slice_controller_syncs', ['error'])
        throw failures[0]!.cause ?? failures[0]
      }
      context.metrics.add('endpoint_slice_controller_syncs', ['success'])
    },
  }
}

/** Its node is gone, and it will be, too. Until then nothing is sent there. */
function isLost({ spec }: Pod, informers: Informers): boolean {
  return spec?.nodeName !== undefined && informers.of(Node).get({ name: spec.nodeName }) === undefined
}

/** Nor is it known whether the node is only not known yet: that is tried again. */
function lostText(service: Service, { metadata, spec }: Pod): string {
  return `skipping Pod ${metadata?.name} for Service ${keyText(keyOf(service))}: Node ${spec?.nodeName} Not Found`
}

interface FamilySync {
  type: 'IPv4' | 'IPv6'
  pods: readonly Pod[]
  changedAt: string | undefined
  told: Map<string, string>
  /** Slices that came out otherwise than they were sent, by service and by what was sent. */
  changed: Repeats
  context: ControllerContext
}

/** Returns what could not be done. */
async function syncFamily(service: Service, { type, pods, changedAt, told, changed, context }: FamilySync): Promise<Error[]> {
  const { informers } = context
  const existing = slicesOf(keyOf(service), MANAGER, informers).filter((slice) => slice.addressType === type)
  // What an earlier service of that name has left behind goes with it.
  const [own, strange] = [existing.filter((slice) => isOwned(slice, service)), existing.filter((slice) => !isOwned(slice, service))]
  const wanted = pods.flatMap((pod) => groupOf(service, pod, { type, informers }))
  if (isAuto(service)) takeHints(own, wanted)
  const labels = labelsFor(service)
  const plan = planSlices(own, wanted, { limit: PER_SLICE, isStale: ({ metadata }) => !equal(metadata?.labels ?? {}, labels) })
  hintByTopology(service, plan, { type, told, context })
  if (plan.create.length + plan.update.length + plan.keep.length === 0) {
    // A service without endpoints keeps one empty slice, so that its slices can be found.
    const empty = plan.delete.find(({ endpoints, ports }) => (endpoints ?? []).length === 0 && (ports ?? []).length === 0)
    if (empty) {
      plan.delete = plan.delete.filter((slice) => slice !== empty)
      if (equal(empty.metadata?.labels ?? {}, labels)) plan.keep.push(empty)
      else plan.update.push(empty)
    } else plan.create.push({ ports: [], endpoints: [] })
  }
  const stamp = changedAt ? { [LAST_CHANGE]: changedAt } : undefined
  // Slices that would go are used again: their names stay, and whoever watches hears of one change instead of two.
  const recycled = plan.delete.splice(0, plan.create.length).map(({ metadata }) => {
    const slice = newSlice(service, { type, ...plan.create.pop()!, labels })
    return { ...slice, metadata: { ...slice.metadata, name: metadata!.name! } }
  })
  plan.update.push(...recycled)
  plan.delete.push(...strange)
  countChanges(existing, plan, context)
  return writePlan(service, plan, { type, labels, stamp, changed, context })
}

interface Writing {
  type: 'IPv4' | 'IPv6'
  labels: Record<string, string>
  stamp: Record<string, string> | undefined
  changed: Repeats
  context: ControllerContext
}

async function writePlan(service: Service, plan: SlicePlan, { type, labels, stamp, changed, context }: Writing): Promise<Error[]> {
  const { client, clock } = context
  const key = keyText(keyOf(service))
  let what = 'create'
  try {
    // The garbage collector is at work: what it deletes is not to come back.
    for (const group of service.metadata?.deletionTimestamp ? [] : plan.create) {
      const slice = relabelled(newSlice(service, { type, ...group, labels }), labels, stamp)
      await write(slice, service, { changed, clock, send: () => client.create(EndpointSlice, slice) })
    }
    for (const one of plan.update) {
      what = `update ${one.metadata?.name}`
      const slice = relabelled(one, labels, stamp)
      await write(slice, service, { changed, clock, send: () => client.update(EndpointSlice, slice) })
    }
    for (const slice of plan.delete) {
      what = `delete ${slice.metadata?.name}`
      await client.delete(EndpointSlice, keyOf(slice)).catch(ignoreNotFound)
    }
    return []
  } catch (error) {
    if (isNamespaceTerminating(error)) return []
    return [new Error(`failed to ${what} EndpointSlice for Service ${key}: ${textOf(error)}`, { cause: error })]
  }
}

interface Sending {
  changed: Repeats
  clock: ControllerContext['clock']
  send(): Promise<EndpointSlice>
}

/** What comes out otherwise each time it is sent waits ever longer; what is new does not. */
async function write(slice: EndpointSlice, service: Service, { changed, clock, send }: Sending): Promise<void> {
  const { uid = '' } = service.metadata ?? {}
  const inOrder = () => slice.endpoints?.toSorted((a, b) => compareTexts(endpointKey(a), endpointKey(b)))
  const asked = () => `${uid} ${templateHash([slice.ports, inOrder()])}`
  // Nothing was ever changed of most services' slices.
  if (changed.last(uid) !== undefined && changed.waitMs(asked(), 1, clock.now()) > 0)
    throw new Error(`slices do not stay as they are made, the last was ${changed.last(uid)}`)
  const made = await send()
  if (isOwned(made, service) && (made.endpoints?.length ?? 0) === (slice.endpoints?.length ?? 0)) return
  for (const one of [uid, asked()]) changed.note(one, made.metadata!.name!, clock.now())
}

/** Not by a service of that name that is gone. */
function isOwned({ metadata: slice }: EndpointSlice, { metadata }: Service): boolean {
  return (
    slice?.ownerReferences?.some(({ uid, kind, apiVersion }) => uid === metadata?.uid && kind === 'Service' && apiVersion === 'v1') ?? false
  )
}

function countChanges(existing: readonly EndpointSlice[], plan: SlicePlan, { metrics }: ControllerContext): void {
  metrics.observe('endpoint_slice_controller_endpoints_added_per_sync', [], plan.added)
  metrics.observe('endpoint_slice_controller_endpoints_removed_per_sync', [], plan.removed)
  for (const operation of ['create', 'update', 'delete'] as const)
    if (plan[operation].length > 0) metrics.add('endpoint_slice_controller_changes', [operation], plan[operation].length)
  const slices = plan.create.length + plan.update.length + plan.keep.length
  metrics.add('endpoint_slice_controller_num_endpoint_slices', [], slices - existing.length)
  metrics.add('endpoint_slice_controller_endpoints_desired', [], plan.added - plan.removed)
  const before = existing.reduce((sum, { endpoints }) => sum + (endpoints?.length ?? 0), 0)
  const wanted = (count: number) => Math.max(1, Math.ceil(count / PER_SLICE))
  const known = existing.length === 0 ? 0 : wanted(before)
  metrics.add('endpoint_slice_controller_desired_endpoint_slices', [], wanted(before + plan.added - plan.removed) - known)
}

function groupOf(service: Service, pod: Pod, { type, informers }: { type: string; informers: Informers }): PortGroup[] {
  const address = addressesOf(pod).find((one) => addressType(one) === type)
  if (!address) return []
  return [{ ports: portsOf(service, pod), endpoints: [endpointOf(service, pod, { address, informers })] }]
}

function endpointOf(service: Service, pod: Pod, { address, informers }: { address: string; informers: Informers }): Endpoint {
  const serving = isReady(pod)
  const terminating = pod.metadata?.deletionTimestamp !== undefined
  const ready = wantsUnready(service) || (serving && !terminating)
  const { nodeName } = pod.spec ?? {}
  const zone = nodeName ? informers.of(Node).get({ name: nodeName })?.metadata?.labels?.[ZONE_LABEL] : undefined
  const hostname = hostnameIn(service, pod)
  const hints = ready ? hintsFor(service, zone, nodeName) : undefined
  const { namespace, name, uid } = pod.metadata!
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname ? { hostname } : {}),
    targetRef: { kind: 'Pod', namespace: namespace!, name: name!, uid: uid! },
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
    ...(hints ? { hints } : {}),
  }
}

/** Hints alone are no reason to write a slice: whether they may stay is asked afterwards. */
function takeHints(existing: readonly EndpointSlice[], wanted: readonly PortGroup[]): void {
  const hints = new Map(existing.flatMap(({ endpoints }) => (endpoints ?? []).map((endpoint) => [endpointKey(endpoint), endpoint.hints])))
  for (const endpoint of wanted.flatMap(({ endpoints }) => endpoints)) {
    const hint = hints.get(endpointKey(endpoint))
    if (hint) endpoint.hints = hint
  }
}

/** Topology mode Auto; said when it begins, when it cannot be done, and when it ends. */
function hintByTopology(service: Service, plan: SlicePlan, { type, told, context }: Pick<FamilySync, 'type' | 'told' | 'context'>): void {
  const key = `${type} ${keyText(keyOf(service))}`
  const before = told.get(key)
  const tell = (state: 'Enabled' | 'Disabled', text: string) =>
    context.events.event(service, state === 'Enabled' ? 'Normal' : 'Warning', `TopologyAwareHints${state}`, `${text}, addressType: ${type}`)
  if (!isAuto(service)) {
    if (told.delete(key) && before === ENABLED) tell('Disabled', 'Topology Aware Hints has been disabled')
    return
  }
  const refusal = hintSlices(plan, context.informers.of(Node).list())
  const text = refusal ?? ENABLED
  told.set(key, text)
  if (text !== before) tell(refusal ? 'Disabled' : 'Enabled', text)
}

/** Where traffic should come from, if the service prefers short ways. */
function hintsFor(service: Service, zone: string | undefined, nodeName: string | undefined): Endpoint['hints'] {
  if (isAuto(service)) return undefined
  const preference = service.spec?.trafficDistribution
  const forZones = zone ? { forZones: [{ name: zone }] } : {}
  if (preference === 'PreferSameNode' && nodeName) return { ...forZones, forNodes: [{ name: nodeName }] }
  return (preference === 'PreferClose' || preference === 'PreferSameZone') && zone ? forZones : undefined
}

function newSlice(
  service: Service,
  { type, ports, endpoints, labels }: PortGroup & { type: string; labels: Record<string, string> },
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${service.metadata?.name}-`,
      namespace: service.metadata!.namespace!,
      labels,
      ownerReferences: [controllerReference(Service, service)],
    },
    addressType: type,
    ports,
    endpoints,
  }
}

function relabelled(slice: EndpointSlice, labels: Record<string, string>, stamp: Record<string, string> | undefined): EndpointSlice {
  const { [LAST_CHANGE]: _, ...annotations } = slice.metadata?.annotations ?? {}
  return { ...slice, metadata: { ...slice.metadata, labels, annotations: { ...annotations, ...stamp } } }
}

function labelsFor(service: Service): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...own } = service.metadata?.labels ?? {}
  const headless = isHeadless(service) ? { [HEADLESS_LABEL]: '' } : {}
  return { ...own, ...headless, [SERVICE_NAME_LABEL]: service.metadata!.name!, [SLICE_MANAGER_LABEL]: MANAGER }
}

function familiesOf(service: Service): ('IPv4' | 'IPv6')[] {
  const families = service.spec?.ipFamilies
  if (families && families.length > 0) return families as ('IPv4' | 'IPv6')[]
  const { clusterIP } = service.spec ?? {}
  return [clusterIP && clusterIP !== 'None' ? addressType(clusterIP) : 'IPv4']
}

/** Returns what could not be done. */
async function removeForeignFamilies(service: Service, { client, informers }: ControllerContext): Promise<Error[]> {
  const families: string[] = familiesOf(service)
  const failures: Error[] = []
  for (const slice of slicesOf(keyOf(service), MANAGER, informers)) {
    if (families.includes(slice.addressType)) continue
    const what = `error deleting ${slice.metadata?.name} EndpointSlice for Service ${keyText(keyOf(service))}`
    await client
      .delete(EndpointSlice, keyOf(slice))
      .catch(ignoreNotFound)
      .catch((error: unknown) => failures.push(new Error(`${what}: ${textOf(error)}`, { cause: error })))
  }
  return failures
}

function serviceOfSlice({ metadata }: EndpointSlice): ObjectKey[] {
  const name = metadata?.labels?.[SERVICE_NAME_LABEL]
  return name && metadata?.labels?.[SLICE_MANAGER_LABEL] === MANAGER ? [{ namespace: metadata.namespace ?? '', name }] : []
}
