import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyRule, RbacSubject } from '#api/generated/types.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { Role } from '#api/kinds/rbac/role.ts'
import { RoleBinding } from '#api/kinds/rbac/role-binding.ts'
import { attributesOf } from '#server/attributes.ts'
import type { RequestAttributes } from '#server/request.ts'
import { allowGroup, assertAllowed, firstOpinion } from './authorizers.ts'
import { MemoryReader } from './memory-reader.ts'
import { RbacAuthorizer } from './rbac-authorizer.ts'
import { RbacIndex } from './rbac-index.ts'

const indexOf = (reader: MemoryReader) => {
  const index = new RbacIndex(reader)
  return () => index
}

export function asked(more: Partial<RequestAttributes> & { username?: string; groups?: string[] }): RequestAttributes {
  const { username = 'anna', groups = [], ...rest } = more
  return { ...attributesOf(Pod, { user: { username, groups }, verb: 'get' }), ...rest }
}

const role = (name: string, rules: PolicyRule[]) => ({ metadata: { name }, rules })
const bound = (name: string, roleName: string, ...subjects: RbacSubject[]) => ({
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: roleName },
  subjects,
})
const user = (name: string): RbacSubject => ({ kind: 'User', name })

const RULES: [title: string, rule: PolicyRule, request: Partial<RequestAttributes>, allowed: boolean][] = [
  ['verb and resource', { apiGroups: [''], resources: ['pods'], verbs: ['get'] }, {}, true],
  ['another verb', { apiGroups: [''], resources: ['pods'], verbs: ['list'] }, {}, false],
  ['another group', { apiGroups: ['apps'], resources: ['pods'], verbs: ['get'] }, {}, false],
  ['all of all', { apiGroups: ['*'], resources: ['*'], verbs: ['*'] }, { subresource: 'log' }, true],
  ['a resource without its subresource', { apiGroups: [''], resources: ['pods'], verbs: ['get'] }, { subresource: 'log' }, false],
  ['a subresource', { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] }, { subresource: 'log' }, true],
  ['a subresource without its resource', { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] }, {}, false],
  ['a subresource of anything', { apiGroups: [''], resources: ['*/log'], verbs: ['get'] }, { subresource: 'log' }, true],
  ['a name', { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['a'] }, { name: 'a' }, true],
  ['another name', { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['a'] }, { name: 'b' }, false],
  ['no name', { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['a'] }, {}, false],
  ['a path', { nonResourceURLs: ['/metrics'], verbs: ['get'] }, { isResourceRequest: false, path: '/metrics' }, true],
  ['below a path', { nonResourceURLs: ['/metrics'], verbs: ['get'] }, { isResourceRequest: false, path: '/metrics/x' }, false],
  ['a path prefix', { nonResourceURLs: ['/openapi/*'], verbs: ['get'] }, { isResourceRequest: false, path: '/openapi/v3' }, true],
  ['resources by a rule for paths', { nonResourceURLs: ['*'], verbs: ['*'] }, {}, false],
  ['paths by a rule for resources', { apiGroups: ['*'], resources: ['*'], verbs: ['*'] }, { isResourceRequest: false, path: '/' }, false],
]

test('RbacAuthorizer decides by rule', async (t) => {
  for (const [title, rule, request, allowed] of RULES)
    await t.test(title, () => {
      const reader = new MemoryReader()
      reader.put(ClusterRole, role('r', [rule]))
      reader.put(ClusterRoleBinding, bound('b', 'r', user('anna')))
      assert.equal(new RbacAuthorizer(indexOf(reader)).authorize(asked(request)).allowed, allowed)
    })
})

function fixture() {
  const reader = new MemoryReader()
  reader.put(ClusterRole, role('reader', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]))
  const authorizer = new RbacAuthorizer(indexOf(reader))
  const may = (more: Parameters<typeof asked>[0]) => authorizer.authorize(asked(more)).allowed
  return { reader, authorizer, may }
}

test('RbacAuthorizer keeps role bindings inside their namespace', () => {
  const { reader, may } = fixture()
  reader.put(RoleBinding, { ...bound('b', 'reader', user('anna')), metadata: { name: 'b', namespace: 'x' } })
  assert.deepEqual([may({ namespace: 'x' }), may({ namespace: 'y' }), may({})], [true, false, false])
})

test('RbacAuthorizer resolves groups and service accounts', () => {
  const { reader, may } = fixture()
  reader.put(
    ClusterRoleBinding,
    bound('b', 'reader', { kind: 'Group', name: 'crew' }, { kind: 'ServiceAccount', name: 'sa', namespace: 'x' }),
  )
  assert.deepEqual(
    [may({ groups: ['crew'] }), may({ username: 'system:serviceaccount:x:sa' }), may({ username: 'crew' }), may({ username: 'sa' })],
    [true, true, false, false],
  )
})

test('RbacAuthorizer follows changes of roles and bindings', () => {
  const { reader, may } = fixture()
  const inX = (name: string) => ({
    ...bound('b', 'r', user(name)),
    metadata: { name: 'b', namespace: 'x' },
    roleRef: { kind: 'Role', name: 'r' },
  })
  reader.put(RoleBinding, inX('anna'))
  assert.equal(may({ namespace: 'x' }), false)
  reader.put(Role, { metadata: { name: 'r', namespace: 'x' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] })
  assert.equal(may({ namespace: 'x' }), true)
  reader.put(RoleBinding, inX('bert'))
  assert.deepEqual([may({ namespace: 'x' }), may({ namespace: 'x', username: 'bert' })], [false, true])
  reader.remove(RoleBinding, { namespace: 'x', name: 'b' })
  assert.equal(may({ namespace: 'x', username: 'bert' }), false)
})

test('RbacAuthorizer says why it allows, and which roles are missing', () => {
  const { reader, authorizer } = fixture()
  reader.put(ClusterRoleBinding, bound('b', 'reader', user('anna')), bound('c', 'lost', user('bert')))
  assert.equal(authorizer.authorize(asked({})).reason, 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to User "anna"')
  assert.equal(authorizer.authorize(asked({ username: 'bert' })).reason, 'RBAC: clusterrole.rbac.authorization.k8s.io "lost" not found')
})

const REFUSALS: [request: Parameters<typeof asked>[0], message: string][] = [
  [
    { verb: 'list', namespace: 'default' },
    'pods is forbidden: User "anna" cannot list resource "pods" in API group "" in the namespace "default"',
  ],
  [
    { verb: 'update', group: 'apps', resource: 'deployments', subresource: 'scale', namespace: 'x', name: 'web' },
    'deployments.apps "web" is forbidden: User "anna" cannot update resource "deployments/scale" in API group "apps" in the namespace "x"',
  ],
  [
    { verb: 'list', resource: 'nodes' },
    'nodes is forbidden: User "anna" cannot list resource "nodes" in API group "" at the cluster scope',
  ],
  [{ isResourceRequest: false, path: '/metrics', resource: '' }, 'forbidden: User "anna" cannot get path "/metrics"'],
]

test('assertAllowed refuses in the words clients parse', () => {
  const { authorizer } = fixture()
  for (const [request, message] of REFUSALS)
    assert.throws(() => assertAllowed(authorizer, asked(request)), { message, reason: 'Forbidden', code: 403 })
})

test('firstOpinion lets system:masters through whatever roles say', async () => {
  const authorizer = firstOpinion([allowGroup('system:masters'), fixture().authorizer])
  assert.equal((await authorizer.authorize(asked({ groups: ['system:masters'] }))).allowed, true)
  assert.equal((await authorizer.authorize(asked({}))).allowed, false)
})
