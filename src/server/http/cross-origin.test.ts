import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pattern } from '#lib/pattern/pattern.ts'
import { configMap, IN_DEFAULT, startRequests } from '#server/engine/requests.ts'

const allowedOrigins = [new Pattern('^https://console\\.example$'), new Pattern('//local\\.example(:|$)')]
const grants = (headers: Record<string, unknown>) => Object.keys(headers).filter((name) => name.startsWith('access-control-'))

for (const origin of ['https://console.example', 'http://local.example:8080']) {
  test(`crossOrigin lets pages of ${origin} ask, and ask whether they may`, async () => {
    await using t = await startRequests({ allowedOrigins })
    const { status, headers } = await t.send('OPTIONS', `${IN_DEFAULT}/configmaps`, undefined, { origin })
    assert.deepEqual([status, headers['access-control-allow-origin'], headers['access-control-allow-credentials']], [204, origin, 'true'])
    const made = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'), { origin })
    assert.deepEqual([made.status, made.headers['access-control-allow-origin']], [201, origin])
    const refused = await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'), { origin })
    assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [409, origin])
  })
}

for (const origin of ['https://console.example.evil', 'http://console.example', `//local.example:${'x'.repeat(2000)}`, undefined]) {
  test(`crossOrigin says nothing to ${origin?.slice(0, 40)}`, async () => {
    await using t = await startRequests({ allowedOrigins })
    const { status, headers } = await t.send('OPTIONS', `${IN_DEFAULT}/configmaps`, undefined, origin ? { origin } : {})
    assert.deepEqual([status, grants(headers)], [405, []])
  })
}

test('crossOrigin is off unless origins are named', async () => {
  await using t = await startRequests()
  const { headers } = await t.send('GET', '/version', undefined, { origin: 'https://console.example' })
  assert.deepEqual(grants(headers), [])
})
