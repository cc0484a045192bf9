import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '#api/kinds/core/pod.ts'
import type { UserInfo } from '#client/client.ts'
import { attributesOf } from '#server/attributes.ts'
import type { Authorizer, RequestAttributes } from '#server/request.ts'
import { impersonation } from './impersonation.ts'

type Headers = Record<string, string | string[]>

const impersonate = async (headers: Headers, asked: RequestAttributes, authorizer: Authorizer) =>
  (await impersonation(authorizer)(headers, asked))?.user ?? asked.user

const anna = { username: 'anna', groups: ['crew'] }

const listing = attributesOf(Pod, { user: anna, verb: 'list', namespace: 'x' })

/** Allows what `allowed` lists as resource/name with the right to be anyone for everything. */
function only(...allowed: string[]): Authorizer & { asked: RequestAttributes[] } {
  const asked: RequestAttributes[] = []
  return {
    asked,
    authorize(attributes) {
      asked.push(attributes)
      const { resource, subresource, name, verb } = attributes
      if (verb !== 'impersonate') return { allowed: false, reason: '' }
      return { allowed: allowed.includes(`${subresource ? `${resource}/${subresource}` : resource}/${name}`), reason: '' }
    },
  }
}

const ASSUMED: [headers: Headers, rights: string[], user: object][] = [
  [{}, [], anna],
  [{ 'impersonate-user': 'bert' }, ['users/bert'], { username: 'bert', groups: ['system:authenticated'] }],
  [
    { 'impersonate-user': 'bert', 'impersonate-group': ['a', 'b'], 'impersonate-uid': '7' },
    ['users/bert', 'groups/a', 'groups/b', 'uids/7'],
    { username: 'bert', uid: '7', groups: ['a', 'b', 'system:authenticated'] },
  ],
  [
    { 'impersonate-user': 'system:serviceaccount:x:sa' },
    ['serviceaccounts/sa'],
    { username: 'system:serviceaccount:x:sa', groups: ['system:serviceaccounts', 'system:serviceaccounts:x', 'system:authenticated'] },
  ],
  [
    { 'impersonate-user': 'bert', 'impersonate-group': 'CN=a, OU=b' },
    ['users/bert', 'groups/CN=a, OU=b'],
    { username: 'bert', groups: ['CN=a, OU=b', 'system:authenticated'] },
  ],
  // What cannot be an account is somebody of that name.
  [
    { 'impersonate-user': 'system:serviceaccount:X:sa' },
    ['users/system:serviceaccount:X:sa'],
    { username: 'system:serviceaccount:X:sa', groups: ['system:authenticated'] },
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

test('impersonate assumes what the user may assume', async () => {
  for (const [headers, rights, user] of ASSUMED)
    assert.deepEqual(JSON.parse(JSON.stringify(await impersonate(headers, listing, only(...rights)))), JSON.parse(JSON.stringify(user)))
})

test('impersonate refuses when any part is not allowed', async () => {
  for (const [headers, rights] of ASSUMED)
    for (const missing of rights)
      await assert.rejects(
        impersonate(headers, listing, only(...rights.filter((right) => right !== missing))),
        { reason: 'Forbidden' },
        missing,
      )
})

test('impersonate refuses in the words clients parse', async () => {
  await assert.rejects(impersonate({ 'impersonate-user': 'bert' }, listing, only()), {
    message: 'pods is forbidden: User "anna" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "x"',
  })
})

test('impersonate refuses groups without a user', async () => {
  await assert.rejects(impersonate({ 'impersonate-group': 'system:masters' }, listing, only('groups/system:masters')), {
    code: 400,
    message:
      'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"system:masters"}, Extra:map[string][]string(nil)} without impersonating a user name',
  })
})

/** Allows exactly these, as `verb group/resource/name`. */
const rights = (...texts: string[]): Authorizer => ({
  authorize: ({ verb, group, resource, name }) => ({ allowed: texts.includes(`${verb} ${group}/${resource}/${name}`), reason: '' }),
})

const agent = {
  username: 'system:serviceaccount:x:agent',
  groups: [],
  extra: { 'authentication.kubernetes.io/node-name': ['n1'] },
}

const CONSTRAINED: [mode: string, headers: Record<string, string>, user: UserInfo, right: string, groups: string[]][] = [
  ['user-info', { 'impersonate-user': 'bert' }, anna, 'users/bert', ['system:authenticated']],
  [
    'serviceaccount',
    { 'impersonate-user': 'system:serviceaccount:x:sa' },
    anna,
    'serviceaccounts/sa',
    ['system:serviceaccounts', 'system:serviceaccounts:x', 'system:authenticated'],
  ],
  ['arbitrary-node', { 'impersonate-user': 'system:node:n1' }, anna, 'nodes/n1', ['system:nodes', 'system:authenticated']],
  ['associated-node', { 'impersonate-user': 'system:node:n1' }, agent, 'nodes/*', ['system:nodes', 'system:authenticated']],
]

test('impersonate in a constrained mode takes the right to be them and the right to do this as them', async () => {
  for (const [mode, headers, user, right, groups] of CONSTRAINED) {
    const both = [`impersonate:${mode} authentication.k8s.io/${right}`, `impersonate-on:${mode}:list /pods/`]
    const asked = { ...listing, user }
    const assumed = await impersonation(rights(...both))(headers, asked)
    assert.deepEqual([assumed?.user.groups, assumed?.constraint], [groups, `impersonate:${mode}`])
    for (const one of both) await assert.rejects(impersonate(headers, asked, rights(one)), { reason: 'Forbidden' }, one)
    await assert.rejects(impersonate(headers, { ...asked, verb: 'watch' }, rights(...both)), { reason: 'Forbidden' }, mode)
  }
})

test('impersonate in a constrained mode never gives the group of administrators', async () => {
  const headers = { 'impersonate-user': 'bert', 'impersonate-group': 'system:masters' }
  const all = ['users/bert', 'groups/system:masters', 'groups/*'].map((right) => `impersonate:user-info authentication.k8s.io/${right}`)
  await assert.rejects(impersonate(headers, listing, rights('impersonate-on:user-info:list /pods/', ...all)), {
    message: /impersonating the system:masters group is not allowed$/,
  })
})

test('impersonate as the associated node refuses another node', async () => {
  const both = ['impersonate:associated-node authentication.k8s.io/nodes/*', 'impersonate-on:associated-node:list /pods/']
  await assert.rejects(impersonate({ 'impersonate-user': 'system:node:n2' }, { ...listing, user: agent }, rights(...both)), {
    reason: 'Forbidden',
  })
})
