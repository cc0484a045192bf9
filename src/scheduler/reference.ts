// What upstream's default profile would make of a pod and a handful of nodes, written plainly from its rules and sharing nothing with the plugins:
// everything is counted anew for each node. For tests only. Knows no claims but bound ones, no namespaces but one, no selectors but matchLabels,
// of devices only those that one driver has by model, and one claim of a pod.
import type { Container, Taint, Toleration, TopologySpreadConstraint, WeightedPodAffinityTerm } from '#api/generated/types.ts'
import type { Node } from '#api/kinds/core/node.ts'
import type { Pod } from '#api/kinds/core/pod.ts'
import type { KubeObject } from '#api/object.ts'

type Labels = Record<string, string>
const HOSTNAME = 'kubernetes.io/hostname'

export interface Scene {
  nodes: readonly Node[]
  /** On nodes. */
  pods: readonly Pod[]
  /** Claims, volumes, devices. */
  objects?: readonly KubeObject[]
}

/** What each plugin's weighed score would be, for the nodes that will do. */
export interface Ranking {
  /** Their names. */
  feasible: string[]
  /** Plugin -> score of each of them. */
  table: Record<string, number[]>
  /** The names of those with the highest sum. */
  first: string[]
}

export function rank(pod: Pod, scene: Scene): Ranking {
  const nodes = scene.nodes.filter((node) => fits(pod, node, scene))
  const table = scores(pod, nodes, scene)
  const totals = nodes.map((_, i) => sum(Object.values(table).map((of) => of[i]!)))
  const highest = Math.max(...totals)
  return { feasible: nodes.map(nameOf), table, first: nodes.filter((_, i) => totals[i] === highest).map(nameOf) }
}

/** The names of the nodes ranked first; none where no node will do. */
export function rankedFirst(pod: Pod, scene: Scene): string[] {
  return rank(pod, scene).first
}

const nameOf = ({ metadata }: Node) => metadata!.name!
const labelsOf = ({ metadata }: Node | Pod): Labels => metadata?.labels ?? {}
const on = (node: Node, { pods }: Scene) => pods.filter(({ spec }) => spec!.nodeName === nameOf(node))
const includes = (labels: Labels, wanted: Labels = {}) => Object.entries(wanted).every(([key, value]) => labels[key] === value)
const sole = (kind: string, name: string, { objects = [] }: Scene): any =>
  objects.find((one) => one.kind === kind && one.metadata?.name === name)
const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0)
const milli = (text: string | undefined) => (!text ? 0 : text.endsWith('m') ? Number(text.slice(0, -1)) : Number(text) * 1000)
const mebibytes = (text: string | undefined) =>
  !text ? 0 : text.endsWith('Gi') ? Number(text.slice(0, -2)) * 1024 : Number(text.slice(0, -2))
/** With sidecars first, as long as the pod runs; or while one of the other init containers does, beside the sidecars before it. */
function asked(pod: Pod, amount: (requests: Record<string, string>) => number): number {
  const of = ({ resources }: Container) => amount(resources?.requests ?? {})
  const before = pod.spec!.initContainers ?? []
  const isSidecar = ({ restartPolicy }: Container) => restartPolicy === 'Always'
  const running = sum([...pod.spec!.containers, ...before.filter(isSidecar)].map(of))
  return Math.max(running, ...before.map((one, i) => of(one) + sum(before.slice(0, i).filter(isSidecar).map(of))))
}
const cpu = (pod: Pod) => asked(pod, (requests) => milli(requests.cpu))
const memory = (pod: Pod) => asked(pod, (requests) => mebibytes(requests.memory))
const ports = (pod: Pod) => (pod.spec!.containers![0]!.ports ?? []).flatMap(({ hostPort }) => hostPort ?? [])

function tolerated(taint: Taint, tolerations: readonly Toleration[] = []): boolean {
  return tolerations.some(
    ({ key, operator, value, effect }) =>
      (!effect || effect === taint.effect) &&
      (!key || key === taint.key) &&
      (operator === 'Exists' || (value ?? '') === (taint.value ?? '')),
  )
}

function untolerated(pod: Pod, node: Node, effects: readonly string[]): number {
  return (node.spec?.taints ?? []).filter((taint) => effects.includes(taint.effect) && !tolerated(taint, pod.spec!.tolerations)).length
}

function selected(pod: Pod, node: Node): boolean {
  return includes(labelsOf(node), pod.spec!.nodeSelector)
}

function fits(pod: Pod, node: Node, scene: Scene): boolean {
  const there = on(node, scene)
  const { cpu: cpus, memory: bytes, pods } = node.status!.allocatable!
  return (
    !node.spec?.unschedulable &&
    untolerated(pod, node, ['NoSchedule', 'NoExecute']) === 0 &&
    selected(pod, node) &&
    !ports(pod).some((port) => there.some((other) => ports(other).includes(port))) &&
    there.length < Number(pods) &&
    (cpu(pod) === 0 || sum(there.map(cpu)) + cpu(pod) <= milli(cpus)) &&
    (memory(pod) === 0 || sum(there.map(memory)) + memory(pod) <= mebibytes(bytes)) &&
    spreads(pod, node, scene) &&
    suitsCompany(pod, node, scene) &&
    canMount(pod, node, scene) &&
    declares(pod, node) &&
    devicesFor(pod, node, scene) !== undefined
  )
}

function spreads(pod: Pod, node: Node, scene: Scene): boolean {
  const rules = (pod.spec!.topologySpreadConstraints ?? []).filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')
  return rules.every((rule) => {
    const { topologyKey, maxSkew, minDomains = 1 } = rule
    const taking = scene.nodes.filter((one) => included(pod, one, rule) && rules.every((other) => other.topologyKey in labelsOf(one)))
    const matching = (value: string | undefined) =>
      sum(
        taking
          .filter((one) => labelsOf(one)[topologyKey] === value)
          .map((one) => on(one, scene).filter((other) => meant(pod, other, rule)).length),
      )
    if (!(topologyKey in labelsOf(node))) return false
    const domains = new Set(taking.map((one) => labelsOf(one)[topologyKey]))
    const least = domains.size === 0 || domains.size < minDomains ? 0 : Math.min(...[...domains].map(matching))
    return matching(labelsOf(node)[topologyKey]) + (meant(pod, pod, rule) ? 1 : 0) - least <= maxSkew
  })
}

/** Whether the node is one of those the rule looks at. */
function included(pod: Pod, node: Node, { nodeAffinityPolicy, nodeTaintsPolicy }: TopologySpreadConstraint): boolean {
  return (
    (nodeAffinityPolicy === 'Ignore' || selected(pod, node)) &&
    (nodeTaintsPolicy !== 'Honor' || untolerated(pod, node, ['NoSchedule', 'NoExecute']) === 0)
  )
}

/** Whether the rule of one pod counts the other. */
function meant(pod: Pod, other: Pod, { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint): boolean {
  return includes(labelsOf(other), labelSelector!.matchLabels) && matchLabelKeys.every((key) => labelsOf(other)[key] === labelsOf(pod)[key])
}

/** The pods in the node's domain. */
function within(key: string, node: Node, scene: Scene): readonly Pod[] {
  if (!(key in labelsOf(node))) return []
  return scene.nodes.filter((one) => labelsOf(one)[key] === labelsOf(node)[key]).flatMap((one) => on(one, scene))
}

function suitsCompany(pod: Pod, node: Node, scene: Scene): boolean {
  const wanted = pod.spec!.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
  const shunned = (one: Pod) => one.spec!.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
  const speaksOf = (term: (typeof wanted)[number], other: Pod) => includes(labelsOf(other), term.labelSelector!.matchLabels)
  const all = (other: Pod) => wanted.every((term) => speaksOf(term, other))
  const company = wanted.every(({ topologyKey }) => within(topologyKey, node, scene).some(all))
  const first = all(pod) && !scene.nodes.some((one) => wanted.some(({ topologyKey }) => within(topologyKey, one, scene).some(all)))
  return (
    (wanted.length === 0 || (wanted.every(({ topologyKey }) => topologyKey in labelsOf(node)) && (company || first))) &&
    !shunned(pod).some((term) => within(term.topologyKey, node, scene).some((other) => speaksOf(term, other))) &&
    !scene.nodes.some((one) =>
      on(one, scene).some((other) =>
        shunned(other).some(
          (term) =>
            speaksOf(term, pod) &&
            term.topologyKey in labelsOf(one) &&
            labelsOf(one)[term.topologyKey] === labelsOf(node)[term.topologyKey],
        ),
      ),
    )
  )
}

function scores(pod: Pod, nodes: readonly Node[], scene: Scene): Record<string, number[]> {
  const discouraged = nodes.map((node) => untolerated(pod, node, ['PreferNoSchedule']))
  const preferred = pod.spec!.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
  const liked = nodes.map((node) =>
    sum(
      preferred
        .filter(({ preference }) => preference.matchExpressions!.every(({ key, values }) => values!.includes(labelsOf(node)[key] ?? '')))
        .map(({ weight }) => weight),
    ),
  )
  const parts: [plugin: string, weight: number, scores: number[]][] = [
    ['TaintToleration', 3, ofHighest(discouraged).map((score) => 100 - score)],
    ['NodeAffinity', 2, ofHighest(liked)],
    ['NodeResourcesFit', 1, nodes.map((node) => leastAllocated(pod, node, scene))],
    ['NodeResourcesBalancedAllocation', 1, nodes.map((node) => balanced(pod, node, scene))],
    ['ImageLocality', 1, nodes.map((node) => locality(pod, node, scene))],
    ['InterPodAffinity', 2, company(pod, nodes, scene)],
    ['PodTopologySpread', 2, spreading(pod, nodes, scene)],
    ['DynamicResources', 2, ofHighest(nodes.map((node) => devicesFor(pod, node, scene) ?? 0))],
  ]
  return Object.fromEntries(parts.map(([plugin, weight, of]) => [plugin, of.map((score) => weight * score)]))
}

function ofHighest(raw: readonly number[]): number[] {
  const highest = Math.max(0, ...raw)
  return raw.map((score) => (highest === 0 ? 0 : Math.floor((100 * score) / highest)))
}

function leastAllocated(pod: Pod, node: Node, scene: Scene): number {
  const all = [...on(node, scene), pod]
  const free = (used: number, there: number) => (used > there ? 0 : Math.floor(((there - used) * 100) / there))
  const { cpu: cpus, memory: bytes } = node.status!.allocatable!
  // What asks for nothing is taken to need 100m and 200Mi.
  const cpuScore = free(sum(all.map((one) => asked(one, (requests) => milli(requests.cpu ?? '100m')))), milli(cpus))
  const memoryScore = free(sum(all.map((one) => asked(one, (requests) => mebibytes(requests.memory ?? '200Mi')))), mebibytes(bytes))
  return Math.floor((cpuScore + memoryScore) / 2)
}

function balanced(pod: Pod, node: Node, scene: Scene): number {
  if (cpu(pod) === 0 && memory(pod) === 0) return 0
  const { cpu: cpus, memory: bytes } = node.status!.allocatable!
  const balance = (pods: readonly Pod[]) => {
    const used = [sum(pods.map(cpu)) / milli(cpus), sum(pods.map(memory)) / mebibytes(bytes)].map((share) => Math.min(1, share))
    return Math.floor((1 - Math.abs((used[0]! - used[1]!) / 2)) * 100)
  }
  const there = on(node, scene)
  return 50 + Math.floor((50 + balance([...there, pod]) - balance(there)) / 2)
}

function locality(pod: Pod, node: Node, { nodes }: Scene): number {
  const images = [...(pod.spec!.initContainers ?? []), ...pod.spec!.containers].map(({ image }) => image!)
  const sizeOn = ({ status }: Node, image: string) => status!.images?.find(({ names }) => names!.includes(image))?.sizeBytes ?? 0
  const share = (image: string) => nodes.filter((one) => sizeOn(one, image) > 0).length / nodes.length
  const [least, most] = [23 * 2 ** 20, 1000 * 2 ** 20 * images.length]
  const there = sum(images.map((image) => Math.floor(sizeOn(node, image) * share(image))))
  const size = Math.min(most, Math.max(least, there))
  return Math.floor((100 * (size - least)) / (most - least))
}

function company(pod: Pod, nodes: readonly Node[], scene: Scene): number[] {
  const wishes = (one: Pod): [WeightedPodAffinityTerm, number][] => [
    ...(one.spec!.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(
      (podAffinityTerm): [WeightedPodAffinityTerm, number] => [{ weight: 0, podAffinityTerm }, one === pod ? 0 : 1],
    ),
    ...(one.spec!.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      (wish): [WeightedPodAffinityTerm, number] => [wish, wish.weight],
    ),
    ...(one.spec!.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      (wish): [WeightedPodAffinityTerm, number] => [wish, -wish.weight],
    ),
  ]
  const worth = (from: Pod, about: Pod, domain: (key: string) => boolean) =>
    sum(
      wishes(from)
        .filter(([{ podAffinityTerm: term }]) => includes(labelsOf(about), term.labelSelector!.matchLabels) && domain(term.topologyKey))
        .map(([, value]) => value),
    )
  const raw = nodes.map((node) =>
    sum(
      scene.nodes.flatMap((other) => {
        const same = (key: string) => key in labelsOf(other) && labelsOf(other)[key] === labelsOf(node)[key]
        return on(other, scene).map((there) => worth(pod, there, same) + worth(there, pod, same))
      }),
    ),
  )
  const [lowest, highest] = [Math.min(...raw), Math.max(...raw)]
  return raw.map((score) => (highest === lowest ? 0 : Math.floor((100 * (score - lowest)) / (highest - lowest))))
}

function spreading(pod: Pod, nodes: readonly Node[], scene: Scene): number[] {
  const wishes = (pod.spec!.topologySpreadConstraints ?? []).filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'ScheduleAnyway')
  if (wishes.length === 0) return nodes.map(() => 0)
  const takesPart = (node: Node) => wishes.every(({ topologyKey }) => topologyKey in labelsOf(node))
  const ranked = nodes.filter(takesPart)
  const countOn = (wish: TopologySpreadConstraint, node: Node) => on(node, scene).filter((other) => meant(pod, other, wish)).length
  const countOf = (wish: TopologySpreadConstraint, node: Node) =>
    wish.topologyKey === HOSTNAME
      ? countOn(wish, node)
      : sum(
          scene.nodes
            .filter(
              (one) => takesPart(one) && included(pod, one, wish) && labelsOf(one)[wish.topologyKey] === labelsOf(node)[wish.topologyKey],
            )
            .map((one) => countOn(wish, one)),
        )
  const domains = (key: string) => (key === HOSTNAME ? ranked.length : new Set(ranked.map((node) => labelsOf(node)[key])).size)
  const raw = ranked.map((node) =>
    Math.round(sum(wishes.map((wish) => countOf(wish, node) * Math.log(domains(wish.topologyKey) + 2) + wish.maxSkew - 1))),
  )
  const [lowest, highest] = [Math.min(...raw), Math.max(0, ...raw)]
  return nodes.map((node) => {
    const i = ranked.indexOf(node)
    return i < 0 ? 0 : highest === 0 ? 100 : Math.floor((100 * (highest + lowest - raw[i]!)) / highest)
  })
}

const mounts = (pod: Pod) => (pod.spec!.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [])

/** Volumes at their limits, in their zones, exclusive ones free, and disks with one writer. */
function canMount(pod: Pod, node: Node, scene: Scene): boolean {
  const there = on(node, scene)
  const volumeOf = (claim: string) => sole('PersistentVolume', sole('PersistentVolumeClaim', claim, scene)?.spec.volumeName, scene)
  const handles = (pods: readonly Pod[]) => new Set(pods.flatMap(mounts).flatMap((claim) => volumeOf(claim)?.spec.csi?.volumeHandle ?? []))
  const limit = sole('CSINode', nameOf(node), scene)?.spec.drivers[0].allocatable.count ?? Infinity
  const before = handles(there)
  const after = handles([...there, pod])
  const isInZone = (claim: string) => {
    const zone = volumeOf(claim)?.metadata.labels?.['topology.kubernetes.io/zone']
    const own = labelsOf(node)['topology.kubernetes.io/zone']
    return !zone || !own || zone === own
  }
  const isFree = (claim: string) =>
    !sole('PersistentVolumeClaim', claim, scene)?.spec.accessModes?.includes('ReadWriteOncePod') ||
    !scene.pods.some((other) => mounts(other).includes(claim))
  const disks = (one: Pod) => (one.spec!.volumes ?? []).flatMap(({ awsElasticBlockStore }) => awsElasticBlockStore?.volumeID ?? [])
  return (
    (after.size === before.size || after.size <= limit) &&
    mounts(pod).every((claim) => isInZone(claim) && isFree(claim)) &&
    !disks(pod).some((disk) => there.some((other) => disks(other).includes(disk)))
  )
}

function declares(pod: Pod, node: Node): boolean {
  const needs = pod.spec!.containers!.some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  )
  return !needs || (node.status!.declaredFeatures ?? []).includes('RestartAllContainersOnContainerExits')
}

/** What the node's choice of devices for the pod's claim scores: 8 for the first alternative, 7 for the second; undefined without devices. */
function devicesFor(pod: Pod, node: Node, scene: Scene): number | undefined {
  const name = pod.spec!.resourceClaims?.[0]?.resourceClaimName
  if (!name) return 0
  const all = (scene.objects ?? []).filter(({ kind }) => kind === 'ResourceSlice') as any[]
  const taken = ((scene.objects ?? []).filter(({ kind }) => kind === 'ResourceClaim') as any[]).flatMap(
    ({ status }) => status?.allocation.devices.results.map(({ pool, device }: any) => `${pool}/${device}`) ?? [],
  )
  const free: string[] = all
    .filter(({ spec }) => spec.nodeName === nameOf(node))
    .flatMap(({ spec }) => spec.devices.filter((one: any) => !taken.includes(`${spec.pool.name}/${one.name}`)))
    .map(({ attributes }) => attributes.model.string)
  const [request] = sole('ResourceClaim', name, scene).spec.devices.requests
  const enough = ({ count, selectors = [] }: any) =>
    free.filter((model) => selectors.every(({ cel }: any) => (cel.expression as string).includes(`"${model}"`))).length >= count
  if (request.exactly) return enough(request.exactly) ? 0 : undefined
  const found = request.firstAvailable.findIndex(enough)
  return found < 0 ? undefined : 8 - found
}
