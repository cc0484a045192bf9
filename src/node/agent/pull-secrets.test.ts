import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Secret } from '#api/generated/types.ts'
import { credentialsFor } from './pull-secrets.ts'

const secret = (auths: object): Secret => ({
  type: 'kubernetes.io/dockerconfigjson',
  data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
})
const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') })

const rows: [image: string, server: string, matches: boolean][] = [
  ['registry.example/team/app:1', 'registry.example', true],
  ['registry.example/team/app:1', 'https://registry.example/v2/', true],
  ['registry.example/team/app:1', 'registry.example/team', true],
  ['registry.example/team/app:1', 'registry.example/other', false],
  ['registry.example/team/app:1', '*.example', true],
  ['registry.example:5000/app', 'registry.example', false],
  ['busybox', 'https://index.docker.io/v1/', true],
  ['busybox', 'registry.example', false],
]
for (const [image, server, matches] of rows) {
  test(`credentialsFor ${image} ${matches ? 'takes' : 'passes over'} ${server}`, () => {
    assert.equal(credentialsFor(image, [secret({ [server]: auth('user:pa:ss') })]).length, matches ? 1 : 0)
  })
}

test('credentialsFor splits at the first colon and prefers the longer match', () => {
  const found = credentialsFor('registry.example/team/app', [
    secret({ 'registry.example': auth('all:1'), 'registry.example/team': auth('team:a:b') }),
  ])
  assert.deepEqual(
    found.map(({ username, password }) => [username, password]),
    [
      ['team', 'a:b'],
      ['all', '1'],
    ],
  )
})

test('credentialsFor passes over what is not JSON', () => {
  assert.deepEqual(credentialsFor('app', [{ type: 'kubernetes.io/dockercfg', data: { '.dockercfg': 'bm90IGpzb24=' } }]), [])
})
