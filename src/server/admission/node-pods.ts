// A kubelet makes mirror pods of its own, says how its pods are, evicts and deletes them; nobody else's, and nothing more.
import type { Pod, PodStatus } from '#api/generated/types.ts'
import { Node } from '#api/kinds/core/node.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import { notFoundError } from '#api/status.ts'
import { MIRROR_ANNOTATION } from '#api/well-known.ts'
import { isDeepStrictEqual } from 'node:util'
import { referredKind } from '#server/access/pod-references.ts'
import type { NodesRequest } from './node-restriction.ts'
import { denied } from './refusal.ts'

export function checkNodesPod(asked: NodesRequest): void {
  const { request, node, reader } = asked
  const { operation, attributes } = request
  const { subresource, namespace, name } = attributes
  if (subresource === 'status') return checkStatus(asked)
  if (subresource && subresource !== 'eviction')
    throw denied(request, `unexpected pod subresource ${JSON.stringify(subresource)}, only 'status' and 'eviction' are allowed`)
  if (operation === 'CREATE' && !subresource) return checkMirrorPod(asked)
  if (operation !== (subresource ? 'CREATE' : 'DELETE'))
    throw denied(
      request,
      subresource
        ? `unexpected operation ${operation}`
        : `unexpected operation "${operation}", node "${node}" can only create and delete mirror pods`,
    )
  // Deleting all of a namespace names none: each is then asked about by itself.
  const pod = (!subresource && (request.oldObject as Pod | undefined)) || reader.get(PodKind, { namespace, name })
  if (!pod) throw notFoundError({ group: '', plural: 'pod' }, name)
  if (pod.spec?.nodeName === node) return
  throw denied(
    request,
    subresource
      ? `node ${node} can only evict pods with spec.nodeName set to itself`
      : `node "${node}" can only delete pods with spec.nodeName set to itself`,
  )
}

function checkMirrorPod({ request, node, reader }: NodesRequest): void {
  const pod = request.object as Pod
  const { metadata, spec } = pod
  const refuse = (what: string): never => {
    throw denied(request, `node "${node}" ${what}`)
  }
  if (metadata?.annotations?.[MIRROR_ANNOTATION] === undefined)
    throw denied(request, `pod does not have "${MIRROR_ANNOTATION}" annotation, node "${node}" can only create mirror pods`)
  if (spec?.nodeName !== node) refuse('can only create pods with spec.nodeName set to itself')
  const [owner, ...others] = metadata.ownerReferences ?? []
  if (others.length > 0) refuse('can only create pods with a single owner reference set to itself')
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
    return refuse('can only create pods with an owner reference set to itself')
  if (!owner.controller) refuse('can only create pods with a controller owner reference set to itself')
  if (owner.blockOwnerDeletion) refuse('must not set blockOwnerDeletion on an owner reference')
  const itself = reader.get(Node, { name: node })
  if (!itself) throw notFoundError({ group: '', plural: 'node' }, node)
  const { uid } = itself.metadata!
  if (owner.uid !== uid) throw denied(request, `node ${node} UID mismatch: expected ${owner.uid} got ${uid}`)
  const kind = referredKind(pod)
  if (kind) refuse(`can not create pods that reference ${kind}`)
}

function checkStatus({ request, node }: NodesRequest): void {
  if (request.operation !== 'UPDATE') throw denied(request, `unexpected operation "${request.operation}"`)
  const [next, previous] = [request.object as Pod, request.oldObject as Pod]
  if (previous.spec?.nodeName !== node)
    throw denied(request, `node "${node}" can only update pod status for pods with spec.nodeName set to itself`)
  if (!isDeepStrictEqual({ ...next.metadata?.labels }, { ...previous.metadata?.labels }))
    throw denied(request, `node "${node}" cannot update labels through pod status`)
  // Which claims are a pod's decides what its kubelet may read.
  if (!isDeepStrictEqual(claimsOf(next.status), claimsOf(previous.status)))
    throw denied(request, `node "${node}" cannot update resource claim statues`)
  if (!isDeepStrictEqual(extendedClaimOf(next.status), extendedClaimOf(previous.status)))
    throw denied(request, `node "${node}" cannot update extended resource claim status`)
}

const claimsOf = (status: PodStatus | undefined) =>
  (status?.resourceClaimStatuses ?? []).map(({ name, resourceClaimName }) => ({ name, resourceClaimName }))

function extendedClaimOf({ extendedResourceClaimStatus }: PodStatus = {}): unknown {
  if (!extendedResourceClaimStatus) return undefined
  const { resourceClaimName, requestMappings = [] } = extendedResourceClaimStatus
  return { resourceClaimName, requestMappings: requestMappings.map((one) => ({ ...one })) }
}
