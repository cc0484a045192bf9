// What to do with one object: delete it because its owners are gone, finish its foreground deletion, or set its dependents free.
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ObjectKey, OwnerReference } from '#api/object.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '#api/well-known.ts'
import type { ControllerContext } from '#client/controller.ts'
import type { ClusterKinds } from '#controllers/cluster-kinds.ts'
import type { LruMap } from '#lib/lru-map.ts'
import { type DependencyGraph, hasFinalizer, type Node, waitsForDependents } from './graph.ts'

export interface CollectOptions {
  graph: DependencyGraph
  kinds: ClusterKinds
  /** Owners known to be gone: uid and place. */
  absent: LruMap<string, true>
  context: ControllerContext
  enqueue(node: Node): void
}

type Owners = Record<'solid' | 'dangling' | 'waiting', OwnerReference[]>

export async function collect(node: Node, options: CollectOptions): Promise<void> {
  const object = options.graph.current(node)
  if (!object) return
  if (object.metadata?.deletionTimestamp) {
    if (hasFinalizer(object, ORPHAN_FINALIZER)) return orphanDependents(node, object, options)
    if (hasFinalizer(object, FOREGROUND_FINALIZER)) return finishForeground(node, object, options)
    return
  }
  const references = object.metadata?.ownerReferences ?? []
  if (references.length === 0) return
  const owners = await classify(node, object, options)
  if (!owners) return
  if (owners.solid.length > 0) return dropReferences(node, object, { gone: [...owners.dangling, ...owners.waiting], options })
  if (owners.waiting.length > 0 && options.graph.hasDependents(node.uid)) return deleteInForeground(node, object, options)
  const policy = hasFinalizer(object, ORPHAN_FINALIZER)
    ? 'Orphan'
    : hasFinalizer(object, FOREGROUND_FINALIZER)
      ? 'Foreground'
      : 'Background'
  await remove(node, object, { policy, options })
}

/** Sorts owners into those that live, those that are gone, and those that wait for this object to go. Undefined: cannot be told. */
async function classify(node: Node, object: KubeObject, options: CollectOptions): Promise<Owners | undefined> {
  const owners: Owners = { solid: [], dangling: [], waiting: [] }
  for (const reference of object.metadata?.ownerReferences ?? []) {
    const kind = options.kinds.find(reference.apiVersion, reference.kind)
    if (!kind) throw new Error(`owner of ${node.key.name} is of kind ${reference.apiVersion} ${reference.kind}, which is not served here`)
    if (kind.scope === 'Namespaced' && !node.key.namespace) {
      tellInvalidNamespace(object, { reference, kind, options })
      return undefined
    }
    const key: ObjectKey = kind.scope === 'Namespaced' ? { namespace: node.key.namespace!, name: reference.name } : { name: reference.name }
    const owner = await ownerOf(reference, { kind, key, options })
    if (!owner) {
      owners.dangling.push(reference)
      tellInvalidNamespace(object, { reference, kind, options })
    } else if (waitsForDependents(owner)) owners.waiting.push(reference)
    else owners.solid.push(reference)
  }
  return owners
}

/** The owner as seen here, else as the API has it: absence is only believed from the API. */
async function ownerOf(
  { uid }: OwnerReference,
  { kind, key, options }: { kind: Kind<any>; key: ObjectKey; options: CollectOptions },
): Promise<KubeObject | undefined> {
  const { graph, absent, context } = options
  const seen = graph.named(kind, key)
  if (seen?.metadata?.uid === uid) return seen
  const place = `${uid}|${kind.plural}.${kind.group}|${key.namespace ?? ''}/${key.name}`
  if (absent.get(place)) return undefined
  const live = await context.client.get<KubeObject>(kind, key).catch(ignoreNotFound)
  if (live?.metadata?.uid === uid) return live
  absent.set(place, true)
  return undefined
}

/** A foreground deletion ends when nothing is left that blocks it. Objects that wait for each other, or for themselves, block nobody. */
async function finishForeground(node: Node, object: KubeObject, options: CollectOptions): Promise<void> {
  const blocking = blockingDependents(node, options).filter((dependent) => !waitsFor(dependent, node, options))
  if (blocking.length === 0) return removeFinalizer(node, object, { finalizer: FOREGROUND_FINALIZER, options })
  // Those that wait themselves come back by their own dependents: looking at them again and again would never end.
  for (const dependent of blocking) if (!isWaiting(dependent, options)) options.enqueue(dependent)
}

function blockingDependents(node: Node, { graph }: CollectOptions): Node[] {
  return graph.dependentsOf(node.uid).filter((dependent) => {
    const reference = graph.current(dependent)?.metadata?.ownerReferences?.find(({ uid }) => uid === node.uid)
    return reference?.blockOwnerDeletion === true
  })
}

function isWaiting(node: Node, { graph }: CollectOptions): boolean {
  const object = graph.current(node)
  return object !== undefined && waitsForDependents(object)
}

/** Whether `node` is, or waits through others for, `target`. */
function waitsFor(node: Node, target: Node, options: CollectOptions): boolean {
  const seen = new Set<string>()
  const open = [node]
  for (let one = open.pop(); one; one = open.pop()) {
    if (one.uid === target.uid) return true
    if (seen.has(one.uid) || !isWaiting(one, options)) continue
    seen.add(one.uid)
    open.push(...blockingDependents(one, options))
  }
  return false
}

/** Owners wait for this one, and others wait for it: it passes the wait on. A ring of waiting objects is broken first. */
async function deleteInForeground(node: Node, object: KubeObject, options: CollectOptions): Promise<void> {
  const ring = options.graph.dependentsOf(node.uid).some((dependent) => {
    const current = options.graph.current(dependent)
    return current !== undefined && waitsForDependents(current)
  })
  let latest = object
  if (ring) {
    const ownerReferences = (object.metadata?.ownerReferences ?? []).map((reference) => ({ ...reference, blockOwnerDeletion: false }))
    latest = await patchMetadata(node, object, { change: { ownerReferences }, options })
  }
  await remove(node, latest, { policy: 'Foreground', options })
}

async function orphanDependents(node: Node, object: KubeObject, options: CollectOptions): Promise<void> {
  for (const dependent of options.graph.dependentsOf(node.uid)) {
    const { client } = options.context
    const live = await client.get<KubeObject>(dependent.kind, dependent.key).catch(ignoreNotFound)
    const references = live?.metadata?.ownerReferences ?? []
    if (!live || !references.some(({ uid }) => uid === node.uid)) continue
    await patchMetadata(dependent, live, { change: { ownerReferences: references.filter(({ uid }) => uid !== node.uid) }, options }).catch(
      ignoreNotFound,
    )
  }
  await removeFinalizer(node, object, { finalizer: ORPHAN_FINALIZER, options })
}

async function dropReferences(
  node: Node,
  object: KubeObject,
  { gone, options }: { gone: readonly OwnerReference[]; options: CollectOptions },
): Promise<void> {
  if (gone.length === 0) return
  const ownerReferences = (object.metadata?.ownerReferences ?? []).filter((reference) => !gone.includes(reference))
  await patchMetadata(node, object, { change: { ownerReferences }, options })
}

async function removeFinalizer(
  node: Node,
  object: KubeObject,
  { finalizer, options }: { finalizer: string; options: CollectOptions },
): Promise<void> {
  const finalizers = (object.metadata?.finalizers ?? []).filter((one) => one !== finalizer)
  await patchMetadata(node, object, { change: { finalizers }, options }).catch(ignoreNotFound)
}

/** The version read goes along: lists are replaced whole, so nobody may have changed them meanwhile. */
async function patchMetadata(
  { kind, key }: Node,
  object: KubeObject,
  { change, options }: { change: Record<string, unknown>; options: CollectOptions },
): Promise<KubeObject> {
  const { uid, resourceVersion } = object.metadata!
  return options.context.client.patch<KubeObject>(kind, key, { type: 'merge', patch: { metadata: { uid, resourceVersion, ...change } } })
}

async function remove(
  { kind, key, uid }: Node,
  object: KubeObject,
  { policy, options }: { policy: 'Background' | 'Foreground' | 'Orphan'; options: CollectOptions },
): Promise<void> {
  const { resourceVersion } = object.metadata!
  const preconditions = { uid, ...(resourceVersion ? { resourceVersion } : {}) }
  try {
    await options.context.client.delete(kind, key, { propagationPolicy: policy, preconditions })
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error
  }
}

/** An owner that lives somewhere else than where the reference looks is a mistake its author should hear of. */
function tellInvalidNamespace(
  object: KubeObject,
  { reference, kind, options }: { reference: OwnerReference; kind: Kind<any>; options: CollectOptions },
): void {
  const elsewhere = options.graph.whereabouts(kind, reference.uid)
  if (!elsewhere || kind.scope !== 'Namespaced') return
  const namespace = object.metadata?.namespace ?? ''
  const spelled = `[${reference.apiVersion}/${reference.kind}, namespace: ${namespace}, name: ${reference.name}, uid: ${reference.uid}]`
  options.context.events.event(
    object,
    'Warning',
    'OwnerRefInvalidNamespace',
    `ownerRef ${spelled} does not exist in namespace ${JSON.stringify(namespace)}`,
  )
}
