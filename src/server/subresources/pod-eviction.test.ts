import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IN_DEFAULT, pod, startRequests } from '#server/engine/requests.ts'
import { podEviction } from './pod-eviction.ts'

test('podEviction takes policy/v1beta1 from clients of old, and no other version', async () => {
  await using t = await startRequests({ extensions: (context) => ({ subresources: [podEviction(context)] }) })
  await t.send('POST', `${IN_DEFAULT}/pods`, pod('p'))
  const evict = (apiVersion: string) =>
    t.send('POST', `${IN_DEFAULT}/pods/p/eviction`, { apiVersion, kind: 'Eviction', metadata: { name: 'p', namespace: 'default' } })
  const refused = await evict('policy/v1beta2')
  assert.equal(refused.status, 400)
  assert.match(refused.json.message, /no kind "Eviction" is registered for version "policy\/v1beta2"/)
  assert.equal((await evict('policy/v1beta1')).status, 201)
  assert.equal((await t.send('GET', `${IN_DEFAULT}/pods/p`)).status, 404)
})
