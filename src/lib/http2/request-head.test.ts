import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestHead } from './request-head.ts'

const head = (text: string) =>
  requestHead(
    text.split('\n').map((line) => {
      const colon = line.indexOf(':', 1)
      return { name: line.slice(0, colon), value: line.slice(colon + 1) }
    }),
  )
const GET = ':method:GET\n:scheme:https\n:path:/a?b\n:authority:host:1'

test('requestHead tells method, path and headers', () => {
  const { method, path, headers } = head(`${GET}\naccept:a\ncookie:x\naccept:b\ncookie:y\nuser-agent:1\nuser-agent:2\n__proto__:p`)!
  assert.deepEqual([method, path], ['GET', '/a?b'])
  assert.deepEqual(Object.entries(headers), [
    ['accept', 'a, b'],
    ['cookie', 'x; y'],
    ['user-agent', '1'],
    ['__proto__', 'p'],
    ['host', 'host:1'],
  ])
  const groups = head(`${GET}\nimpersonate-group:OU=a, O=b\nimpersonate-group:c\nimpersonate-user:d`)!.headers
  assert.deepEqual([groups['impersonate-group'], groups['impersonate-user']], [['OU=a, O=b', 'c'], 'd'])
  assert.equal(head(':method:OPTIONS\n:scheme:https\n:path:*')!.path, '*')
  assert.equal(head(`${GET}\ncontent-length:3\ncontent-length:3\nte:trailers`)!.headers['content-length'], '3')
})

test('requestHead refuses malformed requests', () => {
  const malformed = [
    ':scheme:https\n:path:/',
    ':method:GET\n:path:/',
    ':method:GET\n:scheme:https',
    ':method:GET\n:scheme:https\n:path:',
    ':method:GET\n:scheme:https\n:path:a',
    ':method:GET\n:scheme:https\n:path:*',
    `${GET}\n:path:/`,
    `${GET}\n:status:200`,
    `accept:a\n${GET}`,
    `${GET}\nAccept:a`,
    `${GET}\na b:c`,
    `${GET}\na:b\0`,
    `${GET}\na:b\rc`,
    `${GET}\nconnection:close`,
    `${GET}\ntransfer-encoding:chunked`,
    `${GET}\nupgrade:h2`,
    `${GET}\nte:gzip`,
    `${GET}\ncontent-length:-1`,
    `${GET}\ncontent-length:1\ncontent-length:2`,
  ]
  for (const text of malformed) assert.equal(head(text), undefined, text)
})
