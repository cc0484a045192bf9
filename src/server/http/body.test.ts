import assert from 'node:assert/strict'
import { request } from 'node:https'
import { test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import { systemRandom } from '#lib/random.ts'
import { configMap, IN_DEFAULT } from '#server/engine/requests.ts'
import { ensurePki } from '#server/pki/pki.ts'
import { startTestServer } from '#server/testing.ts'

/** Blanks cost nobody anything but room. */
const LARGE = `${JSON.stringify(configMap('large'))}${' '.repeat(2_900_000)}`

async function started() {
  const pki = await ensurePki({ clock: systemClock, random: systemRandom, hostName: 'boat', addresses: ['127.0.0.1'] })
  const tls = { key: pki.serving.key, cert: pki.serving.certificate, clientCa: pki.authority }
  const test = await startTestServer({ listen: { host: '127.0.0.1', port: 0, tls } })
  const post = (headers: Record<string, string>) => {
    const options = {
      method: 'POST',
      ca: pki.authority,
      agent: false as const,
      headers: { 'content-type': 'application/json', ...headers },
    }
    const sent = request(`${test.server.url}${IN_DEFAULT}/configmaps?dryRun=All`, options)
    const answered = new Promise<number>((resolve, reject) => {
      sent.on('response', (answer) => {
        answer.resume()
        answer.on('end', () => resolve(answer.statusCode!))
      })
      sent.on('error', reject)
    })
    return { sent, answered }
  }
  return { ...test, post, [Symbol.asyncDispose]: () => test[Symbol.asyncDispose]() }
}

for (const [how, headers] of [
  ['that say how large they are', { 'content-length': String(Buffer.byteLength(LARGE)) }],
  ['that do not', { 'transfer-encoding': 'chunked' }],
] as const)
  test(`large bodies ${how} are read a few at a time, and small ones at once`, async () => {
    await using t = await started()
    // All but its end: whoever has room keeps it.
    const slow = Array.from({ length: 5 }, () => {
      const one = t.post(headers)
      one.sent.write(LARGE.slice(0, -1))
      return one
    })
    const holding = () => slow.every(({ sent }) => sent.writableLength === 0)
    while (!holding()) await new Promise((resolve) => setImmediate(resolve))
    const one = t.post(headers)
    one.sent.end(LARGE)
    let answered = false
    void one.answered.then(() => (answered = true))
    for (let round = 0; round < 3; round++) {
      const small = t.post({})
      small.sent.end(JSON.stringify(configMap('small')))
      assert.equal(await small.answered, 201)
    }
    assert.equal(answered, false)
    slow[0]!.sent.end(LARGE.slice(-1))
    assert.equal(await one.answered, 201)
    for (const { sent } of slow.slice(1)) sent.end(LARGE.slice(-1))
    assert.deepEqual([...new Set(await Promise.all(slow.map(({ answered: done }) => done)))], [201])
  })
