// What kubelets write is about themselves and the pods given to them: the finer half of node authorisation, on the content.
import { isDeepStrictEqual } from 'node:util'
import type { CertificateSigningRequest, Node, PersistentVolumeClaim, ResourceSlice } from '#api/generated/types.ts'
import { NODE_LEASE_NAMESPACE } from '#api/well-known.ts'
import { nodeOf } from '#server/access/node-authorizer.ts'
import { commonNameOf } from '#server/pki/certificate-request.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer, ObjectReader, ServerContext } from '#server/request.ts'
import { isReservedLabel } from './node-labels.ts'
import { checkNodesPod } from './node-pods.ts'
import { checkNodesToken } from './node-tokens.ts'
import { denied } from './refusal.ts'

export interface NodesRequest {
  request: AdmissionRequest
  node: string
  reader: ObjectReader
  authorizer: Authorizer
}

/** By resource and group, for all their subresources. */
const CHECKS: Record<string, (asked: NodesRequest) => void | Promise<void>> = {
  __proto__: null as never,
  pods: checkNodesPod,
  nodes: checkNode,
  persistentvolumeclaims: checkClaim,
  serviceaccounts: checkNodesToken,
  'leases.coordination.k8s.io': ({ request, node }) => {
    if (request.attributes.namespace !== NODE_LEASE_NAMESPACE)
      throw denied(request, `can only access leases in the "${NODE_LEASE_NAMESPACE}" system namespace`)
    if (nameIn(request) !== node) throw denied(request, 'can only access node lease with the same name as the requesting node')
  },
  'csinodes.storage.k8s.io': ({ request, node }) => {
    if (nameIn(request) !== node) throw denied(request, 'can only access CSINode with the same name as the requesting node')
  },
  'resourceslices.resource.k8s.io': checkSlice,
  'certificatesigningrequests.certificates.k8s.io': checkCertificateRequest,
}

export function nodeRestriction({ reader }: ServerContext, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    admit(request) {
      if (request.operation === 'CONNECT') return
      const { user, resource, group } = request.attributes
      const node = nodeOf(user)
      if (node === undefined) return
      if (node === '') throw denied(request, `could not determine node from user ${JSON.stringify(user.username)}`)
      return CHECKS[group ? `${resource}.${group}` : resource]?.({ request, node, reader, authorizer })
    },
  }
}

const nameIn = ({ operation, object, attributes }: AdmissionRequest): string =>
  (operation === 'CREATE' ? object?.metadata?.name : undefined) ?? attributes.name

function checkNode({ request, node }: NodesRequest): void {
  const { operation } = request
  const refuse = (what: string): never => {
    throw denied(request, `node "${node}" is not allowed to ${what}`)
  }
  const name = nameIn(request)
  if (name !== node) refuse(`modify node ${JSON.stringify(name)}`)
  if (operation === 'DELETE') return
  const next = request.object as Node
  const previous = operation === 'UPDATE' ? (request.oldObject as Node) : undefined
  const reserved = changedLabels(next, previous).filter(isReservedLabel).join(', ')
  if (!previous) {
    if (next.spec?.configSource) refuse('create pods with a non-nil configSource')
    if (reserved) refuse(`set the following labels: ${reserved}`)
    return
  }
  const { configSource } = next.spec ?? {}
  if (configSource && !isDeepStrictEqual(plain(configSource), plain(previous.spec?.configSource)))
    refuse('update configSource to a new non-nil configSource')
  if (!isDeepStrictEqual(plain(next.spec?.taints), plain(previous.spec?.taints))) refuse('modify taints')
  if (!isDeepStrictEqual(plain(next.metadata?.ownerReferences), plain(previous.metadata?.ownerReferences))) refuse('modify ownerReferences')
  if (reserved) throw denied(request, `is not allowed to modify labels: ${reserved}`)
}

function changedLabels(next: Node, previous: Node | undefined): string[] {
  const after = next.metadata?.labels ?? {}
  const before = previous?.metadata?.labels ?? {}
  const names = new Set([...Object.keys(after), ...Object.keys(before)])
  return [...names].filter((name) => after[name] !== before[name]).sort()
}

/** A claim's size and conditions are the kubelet's to report while it grows the volume; nothing else of it. */
function checkClaim({ request, node }: NodesRequest): void {
  const { operation, attributes, object, oldObject } = request
  if (attributes.subresource !== 'status') throw denied(request, 'may only update PVC status')
  if (operation !== 'UPDATE') throw denied(request, `unexpected operation "${operation}"`)
  const bare = ({ metadata, spec, status }: PersistentVolumeClaim) => {
    const { resourceVersion: _v, managedFields: _m, ...otherMetadata } = metadata ?? {}
    const { capacity: _, conditions: _c, allocatedResources: _a, allocatedResourceStatuses: _s, ...otherStatus } = status ?? {}
    return plain({ metadata: otherMetadata, spec, status: otherStatus })
  }
  if (!isDeepStrictEqual(bare(object as PersistentVolumeClaim), bare(oldObject as PersistentVolumeClaim)))
    throw denied(request, `node "${node}" is not allowed to update fields other than status.quantity and status.conditions`)
}

/** What else is done to slices the authorizer has looked at: it sees neither what is new, nor each of those deleted together. */
function checkSlice({ request, node }: NodesRequest): void {
  const { operation, object, oldObject } = request
  if (operation === 'UPDATE') return
  const slice = (operation === 'CREATE' ? object : oldObject) as ResourceSlice | undefined
  if (slice && slice.spec.nodeName !== node)
    throw denied(request, `can only ${operation.toLowerCase()} ResourceSlice with the same NodeName as the requesting node`)
}

const NODE_SIGNERS = new Set(['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet'])

async function checkCertificateRequest({ request, node }: NodesRequest): Promise<void> {
  if (request.operation !== 'CREATE') return
  const { signerName, request: pem } = (request.object as CertificateSigningRequest).spec
  if (!NODE_SIGNERS.has(signerName)) return
  const commonName = await commonNameOf(Buffer.from(pem, 'base64').toString()).catch((error: Error) => {
    throw denied(request, `unable to parse csr: ${error.message}`)
  })
  const own = `system:node:${node}`
  if (commonName !== own) throw denied(request, `can only create a node CSR with CN=${own}`)
}

/** Without what is left out or empty, which are one. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value ?? null, (_, one) => (Array.isArray(one) && one.length === 0 ? undefined : one)) ?? 'null')
