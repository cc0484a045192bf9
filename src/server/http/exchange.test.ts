import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Http1Exchange } from './exchange.ts'

test('Http1Exchange keeps apart the groups that a request is made with', async () => {
  const server = createServer((incoming, response) => {
    const { headers } = new Http1Exchange(incoming, response, { peer: { remoteAddress: '' } })
    response.end(JSON.stringify([headers['impersonate-group'], headers['impersonate-extra-a'], headers.accept]))
  }).listen(0)
  await once(server, 'listening')
  try {
    const headers = ['impersonate-user', 'a', 'Impersonate-Group', 'OU=a, O=b', 'impersonate-group', 'c']
    const more = ['impersonate-extra-a', 'b, c', 'accept', 'x', 'accept', 'y', 'host', 'h']
    const asked = request({ port: (server.address() as AddressInfo).port, headers: [...headers, ...more], agent: false }).end()
    const [response] = await once(asked, 'response')
    assert.deepEqual(JSON.parse((await response.toArray()).join('')), [['OU=a, O=b', 'c'], 'b, c', 'x, y'])
  } finally {
    server.close()
  }
})
