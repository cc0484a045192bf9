// What strangers send on purpose: bodies broken in many ways, patches that grow, selectors and headers of a megabyte, bytes one by one.
import { once } from 'node:events'
import { connect } from 'node:tls'
import { members, range, type Turns } from './turns.ts'
import { APPLY, JSON_PATCH, MAPS, MERGE } from './scene-parts.ts'

const MB = 1_000_000
const upTo = (bytes: number, unit: string) => unit.repeat(Math.ceil(bytes / unit.length))

/** By content type: bodies of 2.9 MB unless they say more. */
const BODIES: Record<string, Record<string, () => string | Buffer>> = {
  'application/yaml': {
    'one key without an end': () => `a: ${upTo(2.9 * MB, 'x')}`,
    'one quoted text without an end': () => `a: "${upTo(2.9 * MB, 'x\\n')}`,
    'escapes without sense': () => `a: "${upTo(2.9 * MB, '\\q')}"`,
    'anchors and aliases': () =>
      range(100_000)
        .map((i) => `k${i}: &a${i} [*a${Math.max(0, i - 1)}]\n`)
        .join(''),
    'keys that are maps': () => upTo(2.9 * MB, '? {a: {b: c}}\n: d\n'),
    'ever deeper': () =>
      range(2000)
        .map((i) => `${' '.repeat(i)}a:\n`)
        .join(''),
    tags: () => upTo(2.9 * MB, '- !<tag:yaml.org,2002:str> !!int "5"\n'),
    documents: () => upTo(2.9 * MB, '---\na: b\n...\n'),
    'folded texts': () => `a: >\n${upTo(2.9 * MB, '  word word\n\n')}`,
    comments: () => upTo(2.9 * MB, '# nothing\n'),
    'tabs and spaces': () => upTo(2.9 * MB, ' \t '),
    colons: () => upTo(2.9 * MB, ': '),
    'numbers of many digits': () => `a: [${upTo(2.9 * MB, `${'9'.repeat(5000)},`)}1]`,
    merges: () => `a: &a {b: c}\n${upTo(2.9 * MB, '<<: *a\n')}`,
  },
  'application/json': {
    'one text without an end': () => `{"a":"${upTo(2.9 * MB, 'x')}`,
    escapes: () => `{"a":"${upTo(2.9 * MB, '\\u00e9')}"}`,
    'a number of 2.9 MB': () => `{"a":${upTo(2.9 * MB, '9')}}`,
    exponents: () => `{"a":[${upTo(2.9 * MB, '1e99999,')}1]}`,
    spaces: () => `{${upTo(2.9 * MB, ' \n')}}`,
    'lists in lists': () => `{"a":${'['.repeat(9000)}${upTo(2.8 * MB, '[],')}1${']'.repeat(9000)}}`,
    'a key of 2.9 MB': () => `{"${upTo(2.9 * MB, 'k')}":1}`,
    'half a character': () => Buffer.concat([Buffer.from('{"a":"'), Buffer.alloc(2.9 * MB, 0xc3), Buffer.from('"}')]),
    '10 MB of it': () => `{"data":{"a":"${upTo(10 * MB, 'x')}`,
  },
  'application/vnd.kubernetes.protobuf': {
    'tags alone': () => Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(2.9 * MB, 0x0a)]),
    'lengths without an end': () => Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(2.9 * MB, 0xff)]),
    'empty fields': () =>
      Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x12]), varint(2_800_000), Buffer.alloc(2_800_000, Buffer.from([0x1a, 0]))]),
    groups: () => Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(2.9 * MB, 0x0b)]),
  },
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80)
  return Buffer.from([...bytes, value])
}

export async function bodies(turns: Turns): Promise<void> {
  for (const [type, all] of Object.entries(BODIES))
    for (const [name, body] of Object.entries(all))
      await turns.measure(`${type}: ${name}`, () => turns.send('POST', MAPS, body(), { 'content-type': type }), 500)
}

export async function patches(turns: Turns): Promise<void> {
  const map = `${MAPS}/patched`
  await turns.must('POST', MAPS, { metadata: { name: 'patched' }, data: members(200_000) })
  const json = (name: string, operations: object[]) => turns.request(name, 'PATCH', map, operations, JSON_PATCH)
  const each = (operation: (i: number) => object, count = 9999) => range(count).map(operation)
  await json(
    '10,000 tests',
    each((i) => ({ op: 'test', path: `/data/key${i}`, value: 'value' })),
  )
  await json(
    '10,000 copies, each of the last',
    each((i) => ({ op: 'copy', from: i ? `/metadata/annotations/a${i - 1}` : '/data', path: `/metadata/annotations/a${i}` })),
  )
  await json(
    'copies that double',
    each((i) => ({ op: 'copy', from: '/data', path: `/data/d${i}` }), 40),
  )
  await json(
    '10,000 moves',
    each((i) => ({ op: 'move', from: `/data/key${i}`, path: `/data/moved${i}` })),
  )
  await json(
    '10,000 of no use',
    each(() => ({ op: 'add', path: '/data', value: {} })),
  )
  await json('a path of a megabyte', [{ op: 'add', path: `/data${upTo(MB, '/a')}`, value: 1 }])
  await json(
    'tests of the whole',
    each(() => ({ op: 'test', path: '', value: {} }), 500),
  )
  await turns.request(
    'a merge patch of 100,000 keys',
    'PATCH',
    map,
    { data: Object.fromEntries(range(100_000).map((i) => [`k${i}`, 'v'])) },
    MERGE,
  )
  await turns.request(
    'a merge patch that removes 100,000 keys',
    'PATCH',
    map,
    { data: Object.fromEntries(range(100_000).map((i) => [`k${i}`, null])) },
    MERGE,
  )
  await turns.request('a merge patch ever deeper', 'PATCH', map, `${'{"data":'.repeat(9000)}1${'}'.repeat(9000)}`, MERGE)
  await turns.request(
    'an apply of 100,000 keys',
    'PATCH',
    `${map}?fieldManager=a&force=true`,
    { apiVersion: 'v1', kind: 'ConfigMap', data: Object.fromEntries(range(100_000).map((i) => [`k${i}`, 'v'])) },
    APPLY,
  )
}

export async function connections(turns: Turns): Promise<void> {
  await turns.request('a label selector of 12 KB', 'GET', `${MAPS}?labelSelector=${'a!%3D'.repeat(2400)}`)
  await turns.request('a selector of 1 MB', 'GET', `${MAPS}?labelSelector=a%20in%20(${upTo(MB, 'v,')}v)`).catch(() => undefined)
  await raw(turns, '50,000 headers', [
    `GET /api HTTP/1.1\r\nhost: a\r\n${range(50_000)
      .map((i) => `x-${i}: y\r\n`)
      .join('')}\r\n`,
  ])
  await raw(turns, '1,900 short headers', [
    `GET /api HTTP/1.1\r\nhost: a\r\n${range(1900)
      .map((i) => `x${i}: y\r\n`)
      .join('')}\r\n`,
  ])
  await raw(turns, '5,000 requests at once', [upTo(1, 'GET /version HTTP/1.1\r\nhost: a\r\n\r\n').repeat(5000)])
  await raw(turns, '5,000 lists at once', ['GET /apis HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(5000)])
  const head = `POST ${MAPS} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`
  await raw(turns, 'a body of 300,000 chunks of a byte', [head, upTo(300_000 * 6, '1\r\n \r\n'), '0\r\n\r\n'])
  await raw(turns, 'a chunk with an extension of a megabyte', [head, `1;${upTo(MB, 'a')}\r\n \r\n0\r\n\r\n`])
  await raw(turns, '20,000 writes of a byte', [head, ...range(20_000).map(() => ' ')])
}

/** Whatever is answered, until the connection ends or a second has passed. */
function raw(turns: Turns, name: string, parts: string[]): Promise<void> {
  const { url, ca, cert, key } = turns.access
  return turns.measure(name, async () => {
    const socket = connect({ host: 'localhost', port: Number(new URL(url).port), ca, cert, key, ALPNProtocols: ['http/1.1'] })
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    socket.resume()
    for (const part of parts)
      if (!socket.write(part) && !socket.destroyed) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {})
    await Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, 3000))]).catch(() => {})
    socket.destroy()
  })
}
