import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { configMap, IN_DEFAULT, startRequests } from '#server/engine/requests.ts'

const MAPS = `${IN_DEFAULT}/configmaps`

for (const [timeout, why] of [
  ['abc', 'time: invalid duration "abc"'],
  ['5', 'time: missing unit in duration "5"'],
  ['5x', 'time: unknown unit "x" in duration "5x"'],
  ['1h-', 'time: unknown unit "h-" in duration "1h-"'],
] as const) {
  test(`deadline refuses timeout=${timeout}`, async () => {
    await using t = await startRequests()
    const { status, json } = await t.send('GET', `${MAPS}?timeout=${timeout}`)
    assert.deepEqual([status, json.message], [400, `invalid timeout specified in the request URL - ${why}`])
  })
}

test('deadline takes what Go takes', async () => {
  await using t = await startRequests()
  for (const timeout of ['32s', '1m0.5s', '.5h', '0', '-1s', '', '100us']) {
    // Nothing of this waits for a timer.
    assert.equal((await t.send('GET', `${MAPS}?timeout=${timeout}`)).status, 200, timeout)
  }
})

test('deadline ends what takes too long, but no watch', async () => {
  const clock = createVirtualClock()
  const never = new Promise<void>(() => {})
  const slow = { name: 'slow', admit: ({ kind }: { kind: { kind: string } }) => (kind === ConfigMap ? never : undefined) }
  await using t = await startRequests({ clock, extensions: () => ({ admission: [slow] }) })
  const answer = t.send('POST', `${MAPS}?timeout=2s`, configMap('a'))
  await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(2000)
  const { status, json } = await answer
  assert.deepEqual([status, json.reason, json.message], [504, 'Timeout', 'Timeout: request did not complete within the allotted timeout'])
  const watch = t.send('GET', `${MAPS}?watch=1&timeout=1s&timeoutSeconds=5`)
  await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(5000)
  assert.equal((await watch).status, 200)
})

test('paths of old watches are read only', async () => {
  await using t = await startRequests()
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH merge'])
    assert.deepEqual([method, (await t.send(method, '/api/v1/watch/nodes', {})).status], [method, 405])
  const { status } = await t.send('GET', '/api/v1/watch/namespaces/default/configmaps?timeoutSeconds=1')
  assert.equal(status, 200)
})
