// What kubelets write is about themselves and the pods given to them: the finer half of node authorisation, on the content.
import { isDeepStrictEqual } from 'node:util'
import type { AuthenticationTokenRequest, Node, Pod } from '#api/generated/types.ts'
import { PersistentVolume } from '#api/kinds/core/persistent-volume.ts'
import { PersistentVolumeClaim } from '#api/kinds/core/persistent-volume-claim.ts'
import { Pod as PodKind } from '#api/kinds/core/pod.ts'
import { CSIDriver } from '#api/kinds/storage/csi-driver.ts'
import { notFoundError } from '#api/status.ts'
import {
  HOSTNAME_LABEL,
  MIRROR_ANNOTATION,
  NODE_LEASE_NAMESPACE,
  OLD_REGION_LABEL,
  OLD_ZONE_LABEL,
  REGION_LABEL,
  ZONE_LABEL,
} from '#api/well-known.ts'
import { nodeOf } from '#server/access/node-authorizer.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer, ObjectReader, ServerContext } from '#server/request.ts'
import { denied, target } from './refusal.ts'

type Check = (request: AdmissionRequest, node: string, reader: ObjectReader, authorizer: Authorizer) => void | Promise<void>

const CHECKS: Record<string, Check> = {
  __proto__: null as never,
  pods: checkPod,
  'pods/status': checkPodStatus,
  'pods/eviction': checkEviction,
  'pods/resize': (request) => {
    throw denied(request, 'node can only create and delete mirror pods')
  },
  nodes: checkNode,
  'nodes/status': checkNode,
  'persistentvolumeclaims/status': checkClaimStatus,
  'serviceaccounts/token': checkToken,
  'leases.coordination.k8s.io': (request, node) => {
    const { namespace, name } = request.attributes
    if (namespace !== NODE_LEASE_NAMESPACE) throw denied(request, 'can only access leases in the "kube-node-lease" system namespace')
    if ((request.object?.metadata?.name ?? name) !== node)
      throw denied(request, 'can only access node lease with the same name as the requesting node')
  },
  'csinodes.storage.k8s.io': (request, node) => {
    if ((request.object?.metadata?.name ?? request.attributes.name) !== node)
      throw denied(request, 'can only access CSINode with the same name as the requesting node')
  },
}

export function nodeRestriction({ reader }: ServerContext, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    admit(request) {
      const node = nodeOf(request.attributes.user)
      if (node === undefined) return
      if (node === '') throw denied(request, `could not determine node from user ${JSON.stringify(request.attributes.user.username)}`)
      return CHECKS[target(request)]?.(request, node, reader, authorizer)
    },
  }
}

const quoted = (text: string): string => JSON.stringify(text)

function checkPod(request: AdmissionRequest, node: string, reader: ObjectReader): void {
  const { operation, attributes } = request
  if (operation === 'CREATE') return checkMirrorPod(request, node)
  if (operation !== 'DELETE')
    throw denied(request, `unexpected operation ${quoted(operation)}, node ${quoted(node)} can only create and delete mirror pods`)
  // Deleting all of a namespace names none: each is then asked about by itself.
  const pod = (request.oldObject as Pod | undefined) ?? reader.get(PodKind, { namespace: attributes.namespace, name: attributes.name })
  if (!pod) throw notFoundError(PodKind, attributes.name)
  if (pod.spec?.nodeName !== node) throw denied(request, `node ${quoted(node)} can only delete pods with spec.nodeName set to itself`)
}

function checkMirrorPod(request: AdmissionRequest, node: string): void {
  const { metadata, spec } = request.object as Pod
  if (metadata?.annotations?.[MIRROR_ANNOTATION] === undefined)
    throw denied(request, `pod does not have ${quoted(MIRROR_ANNOTATION)} annotation, node ${quoted(node)} can only create mirror pods`)
  if (spec?.nodeName !== node) throw denied(request, `node ${quoted(node)} can only create pods with spec.nodeName set to itself`)
  const owners = metadata.ownerReferences ?? []
  if (owners.length > 1) throw denied(request, `node ${quoted(node)} can only create pods with a single owner reference set to itself`)
  const [owner] = owners
  if (owner && (owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node))
    throw denied(request, `node ${quoted(node)} can only create pods with an owner reference set to itself`)
  if (owner && (!owner.controller || owner.blockOwnerDeletion))
    throw denied(request, `node ${quoted(node)} can only create pods with a controller owner reference that does not block deletion`)
  const refuse = (what: string) => {
    throw denied(request, `node ${quoted(node)} can not create pods that reference ${what}`)
  }
  if (spec.serviceAccountName) refuse('a service account')
  if (spec.resourceClaims?.length || spec.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim))
    refuse('persistentvolumeclaims')
  if (spec.volumes?.some(({ secret, projected }) => secret || projected?.sources?.some((source) => source.secret))) refuse('secrets')
  if (spec.volumes?.some(({ configMap, projected }) => configMap || projected?.sources?.some((source) => source.configMap)))
    refuse('configmaps')
  for (const { env, envFrom } of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    if (env?.some(({ valueFrom }) => valueFrom?.secretKeyRef) || envFrom?.some(({ secretRef }) => secretRef)) refuse('secrets')
    if (env?.some(({ valueFrom }) => valueFrom?.configMapKeyRef) || envFrom?.some(({ configMapRef }) => configMapRef)) refuse('configmaps')
  }
}

function checkPodStatus(request: AdmissionRequest, node: string): void {
  const next = request.object as Pod | undefined
  const previous = request.oldObject as Pod | undefined
  if (previous?.spec?.nodeName !== node)
    throw denied(request, `node ${quoted(node)} can only update pod status for pods with spec.nodeName set to itself`)
  if (!isDeepStrictEqual({ ...next?.metadata?.labels }, { ...previous.metadata?.labels }))
    throw denied(request, `node ${quoted(node)} cannot update labels through pod status`)
}

function checkEviction(request: AdmissionRequest, node: string, reader: ObjectReader): void {
  const { namespace, name } = request.attributes
  const pod = reader.get(PodKind, { namespace, name })
  if (!pod) throw notFoundError(PodKind, name)
  if (pod.spec?.nodeName !== node) throw denied(request, `node ${node} can only evict pods with spec.nodeName set to itself`)
}

/** A claim's size and conditions are the kubelet's to report while it grows the volume; nothing else of it. */
function checkClaimStatus(request: AdmissionRequest, node: string): void {
  const bare = ({ spec, metadata, status = {} }: PersistentVolumeClaim) => {
    const { capacity: _, conditions: _c, allocatedResources: _a, allocatedResourceStatuses: _s, ...rest } = status
    return { spec, labels: metadata?.labels, annotations: metadata?.annotations, finalizers: metadata?.finalizers, rest }
  }
  const [next, previous] = [request.object as PersistentVolumeClaim, request.oldObject as PersistentVolumeClaim]
  if (!isDeepStrictEqual(plain(bare(next)), plain(bare(previous))))
    throw denied(request, `node ${quoted(node)} is not allowed to update fields other than status.quantity and status.conditions`)
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

async function checkToken(request: AdmissionRequest, node: string, reader: ObjectReader, authorizer: Authorizer): Promise<void> {
  const { namespace, name } = request.attributes
  const ref = (request.object as AuthenticationTokenRequest).spec?.boundObjectRef
  if (!ref || ref.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) throw denied(request, 'node requested token not bound to a pod')
  if (!ref.uid) throw denied(request, 'node requested token with a pod binding without a uid')
  const pod = reader.get(PodKind, { namespace, name: ref.name })
  if (!pod) throw notFoundError(PodKind, ref.name)
  if (ref.uid !== pod.metadata?.uid)
    throw denied(
      request,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    )
  if (pod.spec?.nodeName !== node) throw denied(request, 'node requested token bound to a pod scheduled on a different node')
  if (pod.spec.serviceAccountName !== name) throw denied(request, 'node requested token of an account its pod does not run as')
  const audiences = (request.object as AuthenticationTokenRequest).spec?.audiences ?? []
  if (audiences.length > 1) throw denied(request, 'node may only request 0 or 1 audiences')
  const [audience = ''] = audiences
  if (podAudiences(pod, reader).has(audience)) return
  const asked = { ...request.attributes, verb: 'request-serviceaccounts-token-audience', resource: audience, subresource: '' }
  if (!(await authorizer.authorize(asked)).allowed) throw denied(request, `audience ${quoted(audience)} not found in pod spec volume`)
}

/** Audiences of the tokens that volumes of the pod are made of, by themselves or through their drivers. */
function podAudiences({ spec, metadata }: Pod, reader: ObjectReader): Set<string> {
  const audiences = new Set<string>()
  const addDriver = (name: string | undefined) => {
    const driver = name ? reader.get(CSIDriver, { name }) : undefined
    for (const { audience } of driver?.spec.tokenRequests ?? []) audiences.add(audience)
  }
  for (const { name, projected, csi, persistentVolumeClaim, ephemeral } of spec?.volumes ?? []) {
    for (const { serviceAccountToken } of projected?.sources ?? [])
      if (serviceAccountToken) audiences.add(serviceAccountToken.audience ?? '')
    addDriver(csi?.driver)
    const claim = ephemeral ? `${metadata?.name}-${name}` : persistentVolumeClaim?.claimName
    const volume = claim && reader.get(PersistentVolumeClaim, { namespace: metadata?.namespace ?? '', name: claim })?.spec?.volumeName
    if (volume) addDriver(reader.get(PersistentVolume, { name: volume })?.spec?.csi?.driver)
  }
  return audiences
}

function checkNode(request: AdmissionRequest, node: string): void {
  const { attributes, operation } = request
  const next = request.object as Node | undefined
  const previous = request.oldObject as Node | undefined
  const name = next?.metadata?.name || attributes.name
  if (name !== node) throw denied(request, `node ${quoted(node)} is not allowed to modify node ${quoted(name)}`)
  if (!next) return
  const touched = changedLabels(next, operation === 'CREATE' ? undefined : previous).filter(isReserved)
  if (operation === 'CREATE') {
    if (touched.length > 0) throw denied(request, `node ${quoted(node)} is not allowed to set the following labels: ${touched.join(', ')}`)
    return
  }
  if (operation !== 'UPDATE' || !previous) return
  if (!attributes.subresource && !isDeepStrictEqual(plain(next.spec?.taints ?? []), plain(previous.spec?.taints ?? [])))
    throw denied(request, `node ${quoted(node)} is not allowed to modify taints`)
  if (touched.length > 0) throw denied(request, `is not allowed to modify labels: ${touched.join(', ')}`)
  if (!isDeepStrictEqual(plain(next.metadata?.ownerReferences ?? []), plain(previous.metadata?.ownerReferences ?? [])))
    throw denied(request, `node ${quoted(node)} is not allowed to modify ownerReferences`)
}

function changedLabels(next: Node, previous: Node | undefined): string[] {
  const after = next.metadata?.labels ?? {}
  const before = previous?.metadata?.labels ?? {}
  const names = new Set([...Object.keys(after), ...Object.keys(before)])
  return [...names].filter((name) => after[name] !== before[name]).sort()
}

const OWN_LABELS = new Set([
  HOSTNAME_LABEL,
  'kubernetes.io/os',
  'kubernetes.io/arch',
  ZONE_LABEL,
  REGION_LABEL,
  OLD_ZONE_LABEL,
  OLD_REGION_LABEL,
  'beta.kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
])

/** Labels that say something others rely on: of Kubernetes' own domains, but for those a kubelet knows best itself. */
function isReserved(label: string): boolean {
  const slash = label.indexOf('/')
  if (slash < 0) return false
  const domain = label.slice(0, slash)
  const within = (parent: string) => domain === parent || domain.endsWith(`.${parent}`)
  if (within('node-restriction.kubernetes.io')) return true
  if (!within('kubernetes.io') && !within('k8s.io')) return false
  return !OWN_LABELS.has(label) && !within('kubelet.kubernetes.io') && !within('node.kubernetes.io')
}
