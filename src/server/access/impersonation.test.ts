import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Authorizer, RequestAttributes } from '#server/request.ts'
import { impersonate } from './impersonation.ts'

const anna = { username: 'anna', groups: ['crew'] }

/** Allows what `allowed` lists as resource/name. */
function only(...allowed: string[]): Authorizer & { asked: RequestAttributes[] } {
  const asked: RequestAttributes[] = []
  return {
    asked,
    authorize(attributes) {
      asked.push(attributes)
      const { resource, subresource, name } = attributes
      return { allowed: allowed.includes(`${subresource ? `${resource}/${subresource}` : resource}/${name}`), reason: '' }
    },
  }
}

const ASSUMED: [headers: Record<string, string>, rights: string[], user: object][] = [
  [{}, [], anna],
  [{ 'impersonate-user': 'bert' }, ['users/bert'], { username: 'bert', groups: ['system:authenticated'] }],
  [
    { 'impersonate-user': 'bert', 'impersonate-group': 'a, b', 'impersonate-uid': '7' },
    ['users/bert', 'groups/a', 'groups/b', 'uids/7'],
    { username: 'bert', uid: '7', groups: ['a', 'b', 'system:authenticated'] },
  ],
  [
    { 'impersonate-user': 'system:serviceaccount:x:sa' },
    ['serviceaccounts/sa'],
    { username: 'system:serviceaccount:x:sa', groups: ['system:serviceaccounts', 'system:serviceaccounts:x', 'system:authenticated'] },
  ],
  [
    { 'impersonate-user': 'system:anonymous' },
    ['users/system:anonymous'],
    { username: 'system:anonymous', groups: ['system:unauthenticated'] },
  ],
  [
    { 'impersonate-user': 'bert', 'impersonate-extra-acme.com%2fproject': 'p1' },
    ['users/bert', 'userextras/acme.com/project/p1'],
    { username: 'bert', groups: ['system:authenticated'], extra: { 'acme.com/project': ['p1'] } },
  ],
]

test('impersonate assumes what the user may assume', () => {
  for (const [headers, rights, user] of ASSUMED)
    assert.deepEqual(JSON.parse(JSON.stringify(impersonate(headers, anna, only(...rights)))), JSON.parse(JSON.stringify(user)))
})

test('impersonate refuses when any part is not allowed', () => {
  for (const [headers, rights] of ASSUMED)
    for (const missing of rights)
      assert.throws(
        () => impersonate(headers, anna, only(...rights.filter((right) => right !== missing))),
        { reason: 'Forbidden' },
        missing,
      )
})

test('impersonate refuses in the words clients parse', () => {
  assert.throws(() => impersonate({ 'impersonate-user': 'bert' }, anna, only()), {
    message: 'users "bert" is forbidden: User "anna" cannot impersonate resource "users" in API group "" at the cluster scope',
  })
})

test('impersonate refuses groups without a user', () => {
  assert.throws(() => impersonate({ 'impersonate-group': 'system:masters' }, anna, only('groups/system:masters')), { code: 500 })
})
