// Deletes what a namespace holds, pods first, and tells what is left and why.
import type { Kind } from '#api/kind.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, type KubeObject } from '#api/object.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { textOf } from '#controllers/pod-control.ts'
import { isFinished } from '#api/finished-pod.ts'

export interface Remains {
  /** How many objects of each resource are left. */
  objects: Map<string, number>
  /** How many objects each finalizer holds. */
  finalizers: Map<string, number>
  errors: string[]
  /** How long the longest wait may take. */
  estimateSeconds: number
}

/** What holds an object is someone else's finalizer: give its owner this long. */
const FINALIZER_SECONDS = 15

interface Work {
  client: Client
  /** How long the namespace has been going. */
  ageSeconds: number
  remains: Remains
}

export async function deleteContent(
  namespace: string,
  { client, kinds, ageSeconds }: { client: Client; kinds: readonly Kind<any>[]; ageSeconds: number },
): Promise<Remains> {
  const remains: Remains = { objects: new Map(), finalizers: new Map(), errors: [], estimateSeconds: 0 }
  await deleteAll(Pod, namespace, { client, ageSeconds, remains })
  // Other things may be what pods need to end well: they stay until the last pod is gone.
  if (remains.objects.size > 0 || remains.errors.length > 0) return remains
  for (const kind of kinds) {
    if (kind.scope === 'Namespaced' && kind.plural !== 'pods') await deleteAll(kind, namespace, { client, ageSeconds, remains })
  }
  return remains
}

async function deleteAll(kind: Kind<any>, namespace: string, work: Work): Promise<void> {
  const { client, remains } = work
  try {
    let items = await itemsOf(kind, namespace, client)
    if (items.length === 0) return
    const graceSeconds = graceLeft(kind, items, work)
    if (kind.verbs.includes('deletecollection')) await client.deleteCollection(kind, { namespace, propagationPolicy: 'Background' })
    else for (const item of items) await client.delete(kind, keyOf(item), { propagationPolicy: 'Background' }).catch(ignoreNotFound)
    items = await itemsOf(kind, namespace, client)
    if (items.length === 0) return
    note(items, { resource: `${kind.plural}.${kind.group}`, graceSeconds, remains })
    if (graceSeconds > 0 || items.some(({ metadata }) => metadata?.finalizers?.length)) return
    const resource = `${kind.group}/${kind.version}, Resource=${kind.plural}`
    remains.errors.push(`unexpected items still remain in namespace: ${namespace} for gvr: ${resource}`)
  } catch (error) {
    // The resource itself may have gone meanwhile, with its definition.
    if (!hasReason(error, 'NotFound', 'MethodNotAllowed')) remains.errors.push(textOf(error))
  }
}

async function itemsOf(kind: Kind<any>, namespace: string, client: Client): Promise<KubeObject[]> {
  return (await client.list<KubeObject>(kind, { namespace })).items
}

/** How long pods may take to end; 0 once they should have. */
function graceLeft(kind: Kind<any>, items: readonly KubeObject[], { ageSeconds }: Work): number {
  if (kind !== (Pod as Kind<any>)) return 0
  const running = (items as readonly Pod[]).filter((pod) => !isFinished(pod))
  const graceSeconds = Math.max(0, ...running.map(({ spec }) => spec?.terminationGracePeriodSeconds ?? 0))
  return ageSeconds >= graceSeconds ? 0 : graceSeconds
}

function note(
  items: readonly KubeObject[],
  { resource, graceSeconds, remains }: { resource: string; graceSeconds: number; remains: Remains },
): void {
  remains.objects.set(resource, items.length)
  for (const { metadata } of items)
    for (const finalizer of metadata?.finalizers ?? []) remains.finalizers.set(finalizer, (remains.finalizers.get(finalizer) ?? 0) + 1)
  const wait = graceSeconds || (items.some(({ metadata }) => metadata?.finalizers?.length) ? FINALIZER_SECONDS : 0)
  remains.estimateSeconds = Math.max(remains.estimateSeconds, wait)
}
