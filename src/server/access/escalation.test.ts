import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyRule } from '#api/generated/types.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { RoleBinding } from '#api/kinds/rbac/role-binding.ts'
import { Role } from '#api/kinds/rbac/role.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { attributesOf } from '#server/attributes.ts'
import { preventEscalation } from './escalation.ts'
import { MemoryReader } from './memory-reader.ts'
import { RbacAuthorizer } from './rbac-authorizer.ts'
import { RbacIndex } from './rbac-index.ts'

function fixture(held: PolicyRule[]) {
  const reader = new MemoryReader()
  reader.put(ClusterRole, { metadata: { name: 'held' }, rules: held })
  reader.put(ClusterRole, { metadata: { name: 'strong' }, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'] }] })
  reader.put(ClusterRoleBinding, {
    metadata: { name: 'b' },
    roleRef: { kind: 'ClusterRole', name: 'held' },
    subjects: [{ kind: 'User', name: 'anna' }],
  })
  const built = new RbacIndex(reader)
  const index = () => built
  const rbac = new RbacAuthorizer(index)
  const plugin = preventEscalation({ rbac, index, authorizer: rbac })
  return (kind: Kind<any>, object: KubeObject, groups: string[] = ['crew']) =>
    plugin.validate!({
      attributes: attributesOf(kind, { user: { username: 'anna', groups }, verb: 'create', namespace: object.metadata?.namespace }),
      operation: 'CREATE',
      kind,
      object,
      dryRun: false,
      warn() {},
    })
}

const wanted = (...rules: PolicyRule[]) => ({ metadata: { name: 'r', namespace: 'x' }, rules })
const binding = { metadata: { name: 'b', namespace: 'x' }, roleRef: { kind: 'ClusterRole', name: 'strong' }, subjects: [] }

test('preventEscalation refuses rules beyond those held, naming them', async () => {
  const write = fixture([{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }])
  await assert.rejects(async () => write(Role, wanted({ apiGroups: ['', 'apps'], resources: ['pods'], verbs: ['get', 'list'] })), {
    reason: 'Forbidden',
    message:
      'roles.rbac.authorization.k8s.io "r" is forbidden: user "anna" (groups=["crew"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list"]}',
  })
})

const FINE: [title: string, held: PolicyRule, wanted: PolicyRule][] = [
  ['the same', { apiGroups: [''], resources: ['pods'], verbs: ['get'] }, { apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  [
    'one name of all',
    { apiGroups: [''], resources: ['pods'], verbs: ['*'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['a'] },
  ],
  [
    'a subresource of any',
    { apiGroups: ['*'], resources: ['*/log'], verbs: ['get'] },
    { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  ],
  ['a path below', { nonResourceURLs: ['/a/*'], verbs: ['get'] }, { nonResourceURLs: ['/a/b'], verbs: ['get'] }],
  [
    'the right to escalate',
    { apiGroups: ['*'], resources: ['roles'], verbs: ['escalate'] },
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  ],
]

test('preventEscalation accepts what is held', async () => {
  for (const [title, held, rule] of FINE) await assert.doesNotReject(async () => fixture([held])(Role, wanted(rule)), title)
})

test('preventEscalation refuses bindings to roles not held', async () => {
  await assert.rejects(async () => fixture([])(RoleBinding, binding), { reason: 'Forbidden', message: /not currently held/ })
  await assert.doesNotReject(async () => fixture([{ apiGroups: [''], resources: ['secrets'], verbs: ['*'] }])(RoleBinding, binding))
})

test('preventEscalation accepts bindings by the right to bind', async () => {
  const bind = { apiGroups: ['rbac.authorization.k8s.io'], resources: ['clusterroles'], verbs: ['bind'] }
  await assert.doesNotReject(async () => fixture([{ ...bind, resourceNames: ['strong'] }])(RoleBinding, binding))
  await assert.rejects(async () => fixture([{ ...bind, resourceNames: ['other'] }])(RoleBinding, binding), { reason: 'Forbidden' })
})

test('preventEscalation refuses a binding to a role that is absent', async () => {
  const lost = { ...binding, roleRef: { kind: 'Role', name: 'lost' } }
  await assert.rejects(async () => fixture([])(RoleBinding, lost), {
    message: 'roles.rbac.authorization.k8s.io "lost" not found',
    reason: 'NotFound',
  })
})

test('preventEscalation keeps aggregation for those who may do everything', async () => {
  const aggregated = { metadata: { name: 'r' }, aggregationRule: {}, rules: [] }
  await assert.rejects(async () => fixture([])(ClusterRole, aggregated), {
    message: /must have cluster-admin privileges to use the aggregationRule/,
  })
  await assert.doesNotReject(async () => fixture([])(ClusterRole, aggregated, ['system:masters']))
})
