// What a kubelet may do: read what its pods need, write about itself and them. Finer rules on the written content are NodeRestriction's.
import { parseFieldSelector, requiredValue } from '#api/field-selector.ts'
import type { PolicyRule } from '#api/generated/types.ts'
import { NODE_LEASE_NAMESPACE } from '#api/well-known.ts'
import type { UserInfo } from '#client/client.ts'
import type { Authorizer, Decision, RequestAttributes } from '#server/request.ts'
import type { NodeGraph, Reachable } from './node-graph.ts'
import { compileRule, ruleAllows } from './policy-rules.ts'

const PREFIX = 'system:node:'

/** The node a user is the kubelet of; '' when it is in the group but its name tells no node; undefined for everybody else. */
export function nodeOf(user: UserInfo): string | undefined {
  if (!user.groups.includes('system:nodes')) return undefined
  return user.username.startsWith(PREFIX) ? user.username.slice(PREFIX.length) : ''
}

type Answer = true | string
type Rule = (node: string, request: RequestAttributes, graph: NodeGraph) => Answer

const OWN_WRITES = ['get', 'create', 'update', 'patch', 'delete']
const SLICE_VERBS = 'get, watch, list, create, update, patch, delete, deletecollection'

const readNamespaced =
  (what: 'secrets' | 'configmaps'): Rule =>
  (node, request, graph) => {
    if (!['get', 'list', 'watch'].includes(request.verb)) return 'can only read resources of this type'
    if (request.subresource) return 'cannot read subresource'
    if (!request.namespace) return 'can only read namespaced object of this type'
    return related(node, what, request, graph)
  }

const getOne =
  (reaches: (node: string, request: RequestAttributes, graph: NodeGraph) => boolean): Rule =>
  (node, request, graph) => {
    if (request.verb !== 'get') return 'can only get individual resources of this type'
    if (request.subresource) return 'cannot get subresource'
    return reaches(node, request, graph) || unrelated(node)
  }

/** By resource and group. What is not here follows the static rules of the role system:node. */
const RULES: Record<string, Rule> = {
  __proto__: null as never,
  secrets: readNamespaced('secrets'),
  configmaps: readNamespaced('configmaps'),
  persistentvolumeclaims: (node, request, graph) => {
    if (request.subresource !== 'status')
      return getOne((_, { namespace, name }) => graph.reaches(node, 'persistentvolumeclaims', namespace, name))(node, request, graph)
    if (!['update', 'patch'].includes(request.verb)) return 'can only get/update/patch this type'
    return graph.reaches(node, 'persistentvolumeclaims', request.namespace, request.name) || unrelated(node)
  },
  persistentvolumes: getOne((node, { name }, graph) => graph.reachesVolume(node, name)),
  'volumeattachments.storage.k8s.io': getOne((node, { name }, graph) => graph.reachesAttachment(node, name)),
  'resourceclaims.resource.k8s.io': getOne((node, { namespace, name }, graph) => graph.reaches(node, 'resourceclaims', namespace, name)),
  'resourceslices.resource.k8s.io': (node, request, graph) => {
    const { verb, subresource, name } = request
    if (subresource) return 'cannot authorize ResourceSlice subresources'
    if (verb === 'create') return true
    if (verb === 'watch' || verb === 'list' || verb === 'deletecollection')
      return (
        selected(request, 'spec.nodeName') === node || 'can only list/watch/deletecollection resourceslices with nodeName field selector'
      )
    if (!OWN_WRITES.includes(verb)) return `only the following verbs are allowed for a ResourceSlice: ${SLICE_VERBS}`
    return name ? graph.isSliceOf(node, name) || unrelated(node) : 'No Object name found'
  },
  serviceaccounts: (node, request, graph) => {
    // To learn what image pull secrets and annotations credential providers go by.
    if (request.verb === 'get' && !request.subresource) return related(node, 'serviceaccounts', request, graph)
    if (request.verb !== 'create' || !request.name) return 'can only create tokens for individual service accounts'
    if (request.subresource !== 'token') return 'can only create token subresource of serviceaccount'
    return related(node, 'serviceaccounts', request, graph)
  },
  'leases.coordination.k8s.io': (node, { verb, namespace, name }) => {
    if (!OWN_WRITES.includes(verb)) return 'can only get, create, update, patch, or delete a node lease'
    if (namespace !== NODE_LEASE_NAMESPACE) return 'can only access leases in the "kube-node-lease" system namespace'
    return verb === 'create' || name === node || 'can only access node lease with the same name as the requesting node'
  },
  'csinodes.storage.k8s.io': (node, { verb, subresource, name }) => {
    if (subresource) return 'cannot authorize CSINode subresources'
    if (!OWN_WRITES.includes(verb)) return 'can only get, create, update, patch, or delete a CSINode'
    return verb === 'create' || name === node || 'can only access CSINode with the same name as the requesting node'
  },
  pods: (node, request, graph) => {
    const { verb, subresource } = request
    if (subresource === 'status') return verb === 'update' || verb === 'patch' || ''
    if (subresource === 'eviction') return verb === 'create' || ''
    if (subresource) return ''
    if (verb === 'create' || verb === 'delete') return true
    if (verb === 'get') return related(node, 'pods', request, graph)
    if (verb !== 'list' && verb !== 'watch') return ''
    if (selected(request, 'spec.nodeName') === node) return true
    if (nameOf(request)) return related(node, 'pods', request, graph)
    return 'can only list/watch pods with spec.nodeName field selector'
  },
  nodes: (node, request) => {
    const { verb, subresource } = request
    if (subresource === 'status') return verb === 'update' || verb === 'patch' || ''
    if (subresource) return ''
    if (['create', 'update', 'patch'].includes(verb)) return true
    if (!['get', 'list', 'watch'].includes(verb)) return ''
    const name = nameOf(request)
    return name === node || `node '${node}' cannot read ${name ? `'${name}'` : 'all nodes'}, only its own Node object`
  },
}

export function nodeAuthorizer(graph: () => NodeGraph, staticRules: readonly PolicyRule[]): Authorizer {
  const compiled = staticRules.map(compileRule)
  return {
    authorize(request) {
      const node = nodeOf(request.user)
      if (node === undefined) return { allowed: false, reason: '' }
      if (node === '') return { allowed: false, reason: `unknown node for user ${JSON.stringify(request.user.username)}` }
      const rule = request.isResourceRequest ? RULES[request.group ? `${request.resource}.${request.group}` : request.resource] : undefined
      if (!rule) return decisionOf(compiled.some((one) => ruleAllows(one, request)) || '')
      const known = graph()
      return known.loading?.then(() => decisionOf(rule(node, request, known))) ?? decisionOf(rule(node, request, known))
    },
    rulesFor(user) {
      const none = { resourceRules: [], nonResourceRules: [], incomplete: false }
      return nodeOf(user) === undefined
        ? none
        : { ...none, incomplete: true, error: 'node authorizer does not support user rule resolution' }
    },
  }
}

function decisionOf(answer: Answer): Decision {
  return answer === true ? { allowed: true, reason: '' } : { allowed: false, reason: answer }
}

function related(node: string, what: Reachable, request: RequestAttributes, graph: NodeGraph): Answer {
  const name = nameOf(request)
  if (!name) return 'No Object name found'
  if (graph.reaches(node, what, request.namespace, name)) return true
  return (what === 'secrets' && graph.reachesVolumeSecret(node, request.namespace, name)) || unrelated(node)
}

const unrelated = (node: string): string => `no relationship found between node '${node}' and this object`

/** Lists and watches of one object name it by field selector. */
const nameOf = (request: RequestAttributes): string => request.name || selected(request, 'metadata.name') || ''

function selected({ fieldSelector = '' }: RequestAttributes, field: string): string | undefined {
  if (!fieldSelector) return undefined
  try {
    return requiredValue(parseFieldSelector(fieldSelector), field)
  } catch {
    // The request itself is refused for it later; here it selects nothing.
    return undefined
  }
}
