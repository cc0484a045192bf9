// garbage-collector-controller: deletes what has lost all its owners, and carries out foreground and orphaning deletions. All kinds but events.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from '#api/well-known.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { WorkQueue } from '#client/work-queue.ts'
import type { ClusterKinds } from '#controllers/cluster-kinds.ts'
import { LruMap } from '#lib/lru-map.ts'
import { collect, type CollectOptions } from './collect.ts'
import { DependencyGraph, hasFinalizer, type Node, nodeText } from './graph.ts'

const WORKERS = 20
const ABSENT_REMEMBERED = 500

export function garbageCollector(kinds: ClusterKinds): Controller {
  return {
    name: 'garbage-collector-controller',
    account: 'generic-garbage-collector',
    triggers: [],
    async reconcile() {},
    async run(context) {
      await using stack = new AsyncDisposableStack()
      const queue = new WorkQueue(context.clock)
      const waiting = new Map<string, Node>()
      const enqueue = (node: Node) => {
        const text = nodeText(node)
        waiting.set(text, node)
        queue.add(text)
      }
      const graph = new DependencyGraph()
      await kinds.synced()
      const syncs: Promise<void>[] = []
      stack.use(
        kinds.each((kind, gone) => {
          if (kind.kind === 'Event') return
          const informer = context.informers.metadataOf(kind, { signal: gone })
          syncs.push(informer.synced().catch(() => {}))
          graph.watch({ kind, informer })
          const subscription = informer.subscribe(({ object, previous }) => {
            if (object && previous && isUnaffected(object, previous)) return
            graph.update(kind, object, previous)
            for (const node of affected(kind, { object, previous, graph })) enqueue(node)
          })
          stack.use(subscription)
          gone.addEventListener('abort', () => {
            subscription[Symbol.dispose]()
            graph.unwatch(kind)
          })
        }),
      )
      // Before every kind is known here, owners that exist could look absent.
      await Promise.all(syncs)
      const options: CollectOptions = { graph, kinds, absent: new LruMap(ABSENT_REMEMBERED), context, enqueue }
      context.signal.addEventListener('abort', () => queue.close(), { once: true })
      if (context.signal.aborted) return
      await Promise.all(Array.from({ length: WORKERS }, () => work(queue, waiting, options)))
    },
  }
}

async function work(queue: WorkQueue, waiting: Map<string, Node>, options: CollectOptions): Promise<void> {
  for (let text = await queue.take(); text !== undefined; text = await queue.take()) {
    const node = waiting.get(text)!
    try {
      await collect(node, options)
      queue.forget(text)
      // Asked for again meanwhile: the entry is still needed.
      if (!queue.has(text)) waiting.delete(text)
    } catch (error) {
      report(options.context, node, error)
      queue.addRateLimited(text)
    } finally {
      queue.done(text)
    }
  }
}

/** Most changes: it lives, and its owners are the very list they were. */
function isUnaffected({ metadata: after = {} }: KubeObject, { metadata: before = {} }: KubeObject): boolean {
  if (after.deletionTimestamp || before.deletionTimestamp || after.uid !== before.uid) return false
  return after.ownerReferences === before.ownerReferences
}

/** Which objects a change calls for a look at. */
function affected(
  kind: Kind<any>,
  { object, previous, graph }: { object: KubeObject | undefined; previous: KubeObject | undefined; graph: DependencyGraph },
): Node[] {
  const nodes: Node[] = []
  const replaced = previous && (!object || object.metadata?.uid !== previous.metadata?.uid)
  if (replaced) {
    const { uid = '', ownerReferences = [] } = previous.metadata ?? {}
    nodes.push(...graph.dependentsOf(uid))
    // An owner deleted in the foreground may have waited for just this one.
    for (const reference of ownerReferences) if (reference.blockOwnerDeletion) nodes.push(...waitingOwner(reference, previous, graph))
  }
  if (!object) return nodes
  const { namespace, name = '', uid = '', ownerReferences, deletionTimestamp } = object.metadata ?? {}
  const node: Node = { kind, key: namespace ? { namespace, name } : { name }, uid }
  if (deletionTimestamp) {
    if (hasFinalizer(object, ORPHAN_FINALIZER) || hasFinalizer(object, FOREGROUND_FINALIZER)) {
      nodes.push(node)
      if (hasFinalizer(object, FOREGROUND_FINALIZER)) nodes.push(...graph.dependentsOf(uid))
    }
  } else if (ownerReferences?.length && ownersChanged(object, previous)) nodes.push(node)
  if (previous && !replaced) {
    const kept = new Set((ownerReferences ?? []).filter(({ blockOwnerDeletion }) => blockOwnerDeletion).map((reference) => reference.uid))
    for (const reference of previous.metadata?.ownerReferences ?? []) {
      if (reference.blockOwnerDeletion && !kept.has(reference.uid)) nodes.push(...waitingOwner(reference, previous, graph))
    }
  }
  return nodes
}

function ownersChanged(object: KubeObject, previous: KubeObject | undefined): boolean {
  if (!previous || previous.metadata?.deletionTimestamp !== object.metadata?.deletionTimestamp) return true
  const uids = ({ metadata }: KubeObject) => (metadata?.ownerReferences ?? []).map(({ uid }) => uid).join()
  return uids(object) !== uids(previous)
}

function waitingOwner(
  reference: { apiVersion: string; kind: string; name: string; uid: string },
  dependent: KubeObject,
  graph: DependencyGraph,
): Node[] {
  const kind = graph.kindOf(reference.apiVersion, reference.kind)
  if (!kind) return []
  const namespace = dependent.metadata?.namespace
  const key = kind.scope === 'Namespaced' && namespace ? { namespace, name: reference.name } : { name: reference.name }
  return [{ kind, key, uid: reference.uid }]
}

function report({ log }: ControllerContext, node: Node, error: unknown): void {
  const fields = { object: nodeText(node), error }
  if (hasReason(error, 'Conflict', 'NotFound', 'Invalid')) log.debug('will try again', fields)
  else log.warn('could not collect', fields)
}
