// Deletes what a namespace holds, pods first, and tells what is left and why.
import type { Kind } from '#api/kind.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { keyOf, type KubeObject } from '#api/object.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import type { Client } from '#client/client.ts'
import { textOf } from '#controllers/pod-control.ts'

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

export async function deleteContent(
  namespace: string,
  { client, kinds }: { client: Client; kinds: readonly Kind<any>[] },
): Promise<Remains> {
  const remains: Remains = { objects: new Map(), finalizers: new Map(), errors: [], estimateSeconds: 0 }
  await deleteAll(Pod, namespace, { client, remains })
  // Other things may be what pods need to end well: they stay until the last pod is gone.
  if (remains.objects.size > 0 || remains.errors.length > 0) return remains
  for (const kind of kinds) {
    if (kind.scope === 'Namespaced' && kind.plural !== 'pods') await deleteAll(kind, namespace, { client, remains })
  }
  return remains
}

async function deleteAll(kind: Kind<any>, namespace: string, { client, remains }: { client: Client; remains: Remains }): Promise<void> {
  const resource = `${kind.plural}.${kind.group}`
  try {
    let items = await itemsOf(kind, namespace, client)
    if (items.length === 0) return
    if (kind.verbs.includes('deletecollection')) await client.deleteCollection(kind, { namespace, propagationPolicy: 'Background' })
    else for (const item of items) await client.delete(kind, keyOf(item), { propagationPolicy: 'Background' }).catch(ignoreNotFound)
    items = await itemsOf(kind, namespace, client)
    if (items.length > 0) note(items, { resource, remains })
  } catch (error) {
    // The resource itself may have gone meanwhile, with its definition.
    if (!hasReason(error, 'NotFound', 'MethodNotAllowed')) remains.errors.push(textOf(error))
  }
}

async function itemsOf(kind: Kind<any>, namespace: string, client: Client): Promise<KubeObject[]> {
  return (await client.list<KubeObject>(kind, { namespace })).items
}

function note(items: readonly KubeObject[], { resource, remains }: { resource: string; remains: Remains }): void {
  remains.objects.set(resource, items.length)
  for (const { metadata } of items) {
    for (const finalizer of metadata?.finalizers ?? []) remains.finalizers.set(finalizer, (remains.finalizers.get(finalizer) ?? 0) + 1)
    const wait = metadata?.finalizers?.length ? FINALIZER_SECONDS : (metadata?.deletionGracePeriodSeconds ?? 0)
    remains.estimateSeconds = Math.max(remains.estimateSeconds, wait)
  }
}
