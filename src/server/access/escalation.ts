// Nobody hands out rights they do not hold: checked when roles and bindings are written.
import type { ClusterRole, PolicyRule, Role, RoleBinding } from '#api/generated/types.ts'
import { isDeepStrictEqual } from 'node:util'
import { forbiddenError, notFoundError } from '#api/status.ts'
import { attributesOf } from '#server/attributes.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer } from '#server/request.ts'
import { describeRules, missingRights, quotedList } from './policy-rules.ts'
import type { RbacAuthorizer } from './rbac-authorizer.ts'
import type { RbacIndex } from './rbac-index.ts'

const GROUP = 'rbac.authorization.k8s.io'
const EVERYTHING: PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
]

export interface EscalationChecks {
  rbac: RbacAuthorizer
  index: () => RbacIndex
  authorizer: Authorizer
}

export function preventEscalation(checks: EscalationChecks): AdmissionPlugin {
  return {
    name: 'RoleEscalation',
    validate(request) {
      const { attributes, operation, kind } = request
      if (attributes.group !== GROUP || (operation !== 'CREATE' && operation !== 'UPDATE') || !request.object) return
      if (attributes.user.groups.includes('system:masters')) return
      return kind.plural === 'roles' || kind.plural === 'clusterroles' ? checkRole(request, checks) : checkBinding(request, checks)
    },
  }
}

async function checkRole(request: AdmissionRequest, checks: EscalationChecks): Promise<void> {
  const role = request.object as Role & ClusterRole
  const previous = request.oldObject as (Role & ClusterRole) | undefined
  const sameRules = isDeepStrictEqual(role.rules ?? [], previous?.rules ?? [])
  const sameAggregation = isDeepStrictEqual(role.aggregationRule, previous?.aggregationRule)
  if (previous && sameRules && sameAggregation) return
  if (await may(request, { verb: 'escalate', plural: request.kind.plural, name: request.object?.metadata?.name }, checks)) return
  const name = role.metadata?.name ?? ''
  if (role.aggregationRule && !sameAggregation && missingRights(checks.rbac.rulesOf(request.attributes.user, ''), EVERYTHING).length > 0)
    throw forbiddenError(request.kind, name, 'must have cluster-admin privileges to use the aggregationRule')
  assertHeld(request, role.rules ?? [], checks)
}

async function checkBinding(request: AdmissionRequest, checks: EscalationChecks): Promise<void> {
  const binding = request.object as RoleBinding
  const previous = request.oldObject as RoleBinding | undefined
  if (previous && isDeepStrictEqual(binding.roleRef, previous.roleRef) && isDeepStrictEqual(binding.subjects, previous.subjects)) return
  const { roleRef } = binding
  const plural = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles'
  if (await may(request, { verb: 'bind', plural, name: roleRef.name }, checks)) return
  const role = checks.index().role(roleRef, request.attributes.namespace)
  if (!role) throw notFoundError({ group: GROUP, plural }, roleRef.name)
  assertHeld(request, role.rules, checks)
}

async function may(
  request: AdmissionRequest,
  { verb, plural, name }: { verb: string; plural: string; name: string | undefined },
  { authorizer }: EscalationChecks,
): Promise<boolean> {
  const { user, namespace } = request.attributes
  const asked = attributesOf({ group: GROUP, version: 'v1', plural }, { user, verb, namespace, name })
  return (await authorizer.authorize(asked)).allowed
}

function assertHeld(request: AdmissionRequest, wanted: readonly PolicyRule[], { rbac }: EscalationChecks): void {
  const { user, namespace } = request.attributes
  const missing = missingRights(rbac.rulesOf(user, namespace), wanted)
  if (missing.length === 0) return
  const who = `user ${JSON.stringify(user.username)} (groups=${quotedList(user.groups)})`
  const why = `${who} is attempting to grant RBAC permissions not currently held:\n${describeRules(missing)}`
  throw forbiddenError(request.kind, request.object?.metadata?.name ?? '', why)
}
