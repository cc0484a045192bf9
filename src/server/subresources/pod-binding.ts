// A pod is given to a node: once, and only while it is not on its way out.
import type { Binding as BindingObject } from '#api/generated/types.ts'
import { Binding } from '#api/kinds/core/binding.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import type { ObjectMeta } from '#api/object.ts'
import { conflictError, type Status, StatusError } from '#api/status.ts'
import { formatTime } from '#lib/clock.ts'
import type { ServerContext, SubresourceHandler, SubresourceRequest } from '#server/request.ts'

const RESOURCE = { group: '', plural: 'pods/binding' }

/** pods/NAME/binding, and the older POST of a Binding to its namespace. */
export function podBinding(context: ServerContext): SubresourceHandler[] {
  return [
    { kind: Pod, subresource: 'binding', keepsIdentity: true, create: (request) => bind(context, request, request.key.name) },
    { kind: Binding, subresource: '', create: (request) => bind(context, request, request.object?.metadata?.name ?? '') },
  ]
}

async function bind({ writer, clock }: ServerContext, { object, key, dryRun }: SubresourceRequest, name: string): Promise<Status> {
  const binding = object as BindingObject
  const { name: named = '', uid, resourceVersion, annotations, labels } = binding.metadata ?? {}
  if (named !== name) throw new StatusError('BadRequest', 'name in URL does not match name in Binding object')
  const target = targetOf(binding)
  const refuse = (why: string) => conflictError(RESOURCE, name, why)
  await writer.modify(
    Pod,
    key.namespace === undefined ? { name } : { namespace: key.namespace, name },
    (pod) => {
      const meta = pod.metadata!
      if (uid && uid !== meta.uid) throw unmet(meta, `UID in precondition: ${uid}, UID in object meta: ${meta.uid}`)
      if (resourceVersion && resourceVersion !== meta.resourceVersion)
        throw unmet(meta, `ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${meta.resourceVersion}`)
      if (meta.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
      const spec = pod.spec!
      if (spec.nodeName) throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(spec.nodeName)}`)
      if (spec.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`)
      spec.nodeName = target
      if (annotations) meta.annotations = { ...meta.annotations, ...annotations }
      if (labels) meta.labels = { ...labels, ...meta.labels }
      markScheduled(pod, formatTime(clock.now()))
    },
    { subresource: 'binding', dryRun },
  )
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }
}

/** As the store says it, upstream. */
function unmet({ namespace = '', name = '' }: ObjectMeta, which: string): StatusError {
  const error = `StorageError: invalid object, Code: 4, Key: /registry/pods/${namespace}/${name}, ResourceVersion: 0`
  return conflictError(Pod, name, `${error}, AdditionalErrorMsg: Precondition failed: ${which}`)
}

function targetOf({ target }: BindingObject): string {
  const wrong: string[] = []
  if (target?.kind && target.kind !== 'Node')
    wrong.push(`target.kind: Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`)
  if (!target?.name) wrong.push('target.name: Required value')
  if (wrong.length > 0) throw new StatusError('', wrong.length === 1 ? wrong[0]! : `[${wrong.join(', ')}]`)
  return target.name!
}

function markScheduled(pod: Pod, now: string): void {
  const status = (pod.status ??= {})
  const others = (status.conditions ?? []).filter(({ type }) => type !== 'PodScheduled')
  const generation = pod.metadata?.generation
  // It told others where the pod might go.
  delete status.nominatedNodeName
  status.conditions = [
    ...others,
    {
      type: 'PodScheduled',
      status: 'True',
      lastTransitionTime: now,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    },
  ]
}
