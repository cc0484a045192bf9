import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { Job } from '#api/kinds/batch/job.ts'
import { startTestServer } from './testing.ts'

const key = { namespace: 'default', name: 'a' }
const notThere = { reason: 'NotFound', message: 'the server could not find the requested resource' }

for (const [what, kind, subresource] of [
  ['one that the kind does not have', Job, 'scale'],
  ['one that no kind has', Pod, 'nonsense'],
  ['one of a kind without any', ConfigMap, 'status'],
  ['a name that objects inherit', ConfigMap, 'constructor'],
] as const) {
  test(`localClient knows of no subresource ${subresource}: ${what}`, async () => {
    await using server = await startTestServer()
    await assert.rejects(server.client.get(kind, key, { subresource }), notThere)
    await assert.rejects(server.client.patch(kind, key, { type: 'merge', patch: {} }, { subresource }), notThere)
  })
}

test('localClient refuses verbs that a subresource does not have', async () => {
  await using server = await startTestServer()
  await assert.rejects(server.client.get(Pod, key, { subresource: 'eviction' }), {
    reason: 'MethodNotAllowed',
    message: 'the server does not allow this method on the requested resource',
  })
})
