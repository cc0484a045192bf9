// namespace-controller: empties a namespace that is being deleted, says in its conditions what is in the way, and lets it go at the end.
import type { NamespaceCondition } from '#api/generated/types.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { hasReason } from '#api/status.ts'
import type { Controller } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { type ClusterKinds, onePerResource } from '#controllers/cluster-kinds.ts'
import { conditionOf } from '#api/conditions.ts'
import { formatTime } from '#lib/clock.ts'
import { byKey } from '#lib/order.ts'
import { equal } from '#api/equal.ts'
import { deleteContent, type Remains } from './content.ts'

const FINALIZER = 'kubernetes'
/** API servers that did not answer may be back. */
const RETRY_MS = { most: 60_000 }

export function namespaceController(kinds: ClusterKinds): Controller {
  return {
    name: 'namespace-controller',
    workers: 10,
    retryMs: RETRY_MS,
    triggers: [
      itself(Namespace),
      // The last pod to go lets the rest follow at once.
      mapped(Pod, ({ metadata }, informers) => {
        if (!metadata?.deletionTimestamp) return []
        const namespace = informers.of(Namespace).get({ name: metadata.namespace ?? '' })
        const gone = !informers.of(Pod).get({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' })
        return gone && namespace?.metadata?.deletionTimestamp ? [{ name: metadata.namespace ?? '' }] : []
      }),
    ],
    async reconcile(key, { client, informers, clock }) {
      const known = informers.of(Namespace).get(key)
      if (!known?.metadata?.deletionTimestamp || !holds(known)) return
      // A definition not seen yet would leave its objects behind.
      await kinds.synced()
      const { kinds: others, failures } = await kinds.remote()
      const ageSeconds = (clock.now() - Date.parse(known.metadata.deletionTimestamp)) / 1000
      const remains = await deleteContent(key.name, { client, kinds: onePerResource([...kinds.list(), ...others]), ageSeconds })
      const namespace = await client.get(Namespace, key).catch((error: unknown) => {
        if (hasReason(error, 'NotFound')) return undefined
        throw error
      })
      if (!namespace?.metadata?.deletionTimestamp || namespace.metadata.uid !== known.metadata.uid || !holds(namespace)) return

      const empty = remains.objects.size === 0 && remains.errors.length === 0 && failures.size === 0
      const conditions = conditionsOf(namespace.status?.conditions ?? [], { remains, failures }, formatTime(clock.now()))
      const worthTelling = !empty || isHeld(namespace) || (namespace.status?.conditions ?? []).length > 0
      let latest = namespace
      if (worthTelling && (!equal(conditions, namespace.status?.conditions) || namespace.status?.phase !== 'Terminating')) {
        latest = await client.update(
          Namespace,
          { ...namespace, status: { ...namespace.status, phase: 'Terminating', conditions } },
          { subresource: 'status' },
        )
      }
      const errors = [...(failures.size > 0 ? [discoveryFailure(failures)] : []), ...remains.errors]
      if (errors.length > 0) throw new Error(errors.join('; '))
      if (!empty) return { requeueAfterMs: (Math.floor(remains.estimateSeconds / 2) + 1) * 1000 }
      const finalizers = (latest.spec?.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER)
      await client.update(Namespace, { ...latest, spec: { ...latest.spec, finalizers } }, { subresource: 'finalize' })
    },
  }
}

function holds({ spec }: Namespace): boolean {
  return spec?.finalizers?.includes(FINALIZER) ?? false
}

/** By others, who will find it empty. */
function isHeld({ metadata, spec }: Namespace): boolean {
  return (metadata?.finalizers ?? []).length > 0 || (spec?.finalizers ?? []).some((finalizer) => finalizer !== FINALIZER)
}

/** What lies in groups that do not answer may still be there. */
function discoveryFailure(failures: ReadonlyMap<string, string>): string {
  const each = [...failures].map(([groupVersion, why]) => `${groupVersion}: ${why}`).toSorted()
  return `unable to retrieve the complete list of server APIs: ${each.join(', ')}`
}

interface Found {
  remains: Remains
  failures: ReadonlyMap<string, string>
}

function conditionsOf(current: readonly NamespaceCondition[], { remains, failures }: Found, now: string): NamespaceCondition[] {
  const counts = (from: Map<string, number>, text: (name: string, count: number) => string) =>
    [...from.entries()]
      .sort(byKey)
      .map(([name, count]) => text(name, count))
      .join(', ')
  const wanted: [type: string, bad: false | { reason: string; message: string }, good: { reason: string; message: string }][] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      failures.size > 0 && {
        reason: 'DiscoveryFailed',
        message: `Discovery failed for some groups, ${failures.size} failing: ${discoveryFailure(failures)}`,
      },
      { reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' },
    ],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      { reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' },
    ],
    [
      'NamespaceDeletionContentFailure',
      remains.errors.length > 0 && {
        reason: 'ContentDeletionFailed',
        message: `Failed to delete all resource types, ${remains.errors.length} remaining: ${remains.errors.toSorted().join(', ')}`,
      },
      { reason: 'ContentDeleted', message: 'All content successfully deleted, may be waiting on finalization' },
    ],
    [
      'NamespaceContentRemaining',
      remains.objects.size > 0 && {
        reason: 'SomeResourcesRemain',
        message: `Some resources are remaining: ${counts(remains.objects, (name, count) => `${name} has ${count} resource instances`)}`,
      },
      { reason: 'ContentRemoved', message: 'All content successfully removed' },
    ],
    [
      'NamespaceFinalizersRemaining',
      remains.finalizers.size > 0 && {
        reason: 'SomeFinalizersRemain',
        message: `Some content in the namespace has finalizers remaining: ${counts(remains.finalizers, (name, count) => `${name} in ${count} resource instances`)}`,
      },
      { reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' },
    ],
  ]
  const ours = new Set(wanted.map(([type]) => type))
  const next = wanted.map(([type, bad, good]) => {
    const before = conditionOf(current, type)
    const condition = { type, status: bad ? 'True' : 'False', ...(bad || good) }
    const kept = before?.status === condition.status && before.lastTransitionTime
    return { ...condition, lastTransitionTime: kept || now }
  })
  return [...current.filter(({ type }) => !ours.has(type)), ...next]
}
