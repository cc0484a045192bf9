import assert from 'node:assert/strict'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { rewriteLinks } from './proxy-links.ts'

const links = { prefix: '/api/v1/namespaces/x/pods/p/proxy', backend: { scheme: 'http', host: '10.0.0.1', port: 80 } as const }

async function through(page: string, headers: Record<string, string>): Promise<{ body: string; headers: OutgoingHttpHeaders }> {
  const answer = Object.assign(Readable.from([Buffer.from(page)]), { headers }) as unknown as IncomingMessage
  const returned: OutgoingHttpHeaders = { ...headers }
  return { body: await text(rewriteLinks(answer, returned, links)), headers: returned }
}

const PAGES: [sent: string, seen: string][] = [
  ['<a href="/rewriteme">test</a>', '<a href="/api/v1/namespaces/x/pods/p/proxy/rewriteme">test</a>'],
  ["<img alt='é' src='/i.png'>", "<img alt='é' src='/api/v1/namespaces/x/pods/p/proxy/i.png'>"],
  ['<a href="http://10.0.0.1:80/x">', '<a href="/api/v1/namespaces/x/pods/p/proxy/x">'],
  ['<a href="http://example.org/">', '<a href="http://example.org/">'],
  ['<a href="//example.org/">', '<a href="//example.org/">'],
  ['<a href="other">', '<a href="other">'],
  ['text href="/x"', 'text href="/x"'],
]

test('rewriteLinks leads links of pages back through the proxy', async () => {
  for (const [sent, seen] of PAGES) assert.equal((await through(sent, { 'content-type': 'text/html; charset=utf-8' })).body, seen)
})

test('rewriteLinks leaves everything but HTML alone, redirects excepted', async () => {
  const { body, headers } = await through('<a href="/x">', { 'content-type': 'text/plain', 'content-length': '13', location: '/y' })
  assert.deepEqual([body, headers['content-length'], headers['location']], ['<a href="/x">', '13', '/api/v1/namespaces/x/pods/p/proxy/y'])
})
