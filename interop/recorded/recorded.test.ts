// Answers whose form upstream fixes, byte for byte: one request after another against a server that holds one config map, none of which changes it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readFileSync } from 'node:fs'
import { startTestServer, type TestServer } from '#server/testing.ts'

interface Pair {
  name: string
  /** Method and path. */
  request: string
  type?: string
  accept?: string
  body?: string
  code: number
  text: string
}

const pairs = JSON.parse(readFileSync(new URL('answers.json', import.meta.url), 'utf8')) as Pair[]
const HELD = '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: b}}'
let running: TestServer

before(async () => {
  running = await startTestServer()
  const path = '/api/v1/namespaces/default/configmaps/a?fieldManager=first'
  const { status } = await running.server.handle({
    method: 'PATCH',
    path,
    headers: { 'content-type': 'application/apply-patch+yaml' },
    body: HELD,
  })
  assert.equal(status, 201)
})
after(() => running[Symbol.asyncDispose]())

for (const { name, request, type, accept, body, code, text } of pairs) {
  test(`${request.split('?', 1)[0]} answers to ${name}`, async () => {
    const [method, path] = request.split(' ') as [string, string]
    const headers = { ...(type ? { 'content-type': type } : {}), ...(accept ? { accept } : {}) }
    const answer = await running.server.handle({ method, path, headers, ...(body === undefined ? {} : { body }) })
    assert.equal(answer.text, text)
    assert.equal(answer.status, code)
  })
}
