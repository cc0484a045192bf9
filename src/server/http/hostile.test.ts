// What an enemy would send: bodies that are deep, huge, endless or broken, patterns and expressions that explode. Each is answered, none as an
// internal error, the loop stays free (the longest stall is printed), and nothing is left in a prototype.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { customDefinition } from '#api/custom/testing.ts'
import { configMap, IN_DEFAULT, pod, type Requests, startRequests } from '#server/engine/requests.ts'

const MAPS = `${IN_DEFAULT}/configmaps`
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const THINGS = '/apis/example.com/v1/namespaces/default/things'
const YAML = { 'content-type': 'application/yaml' }
const PROTOBUF = { 'content-type': 'application/vnd.kubernetes.protobuf' }
/** Only a catastrophe takes this long; what is fast enough is the benchmark's business. */
const CATASTROPHE_MS = 5000

const nested = (open: string, close: string, depth: number, inside = '') => open.repeat(depth) + inside + close.repeat(depth)
const inData = (text: string) => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":${text}}`

const laughs = (levels: number) =>
  Array.from(
    { length: levels },
    (_, level) => `a${level}: &a${level} [${level === 0 ? '"lol"' : Array.from({ length: 9 }, () => `*a${level - 1}`)}]`,
  ).join('\n')

const definition = (schema: object, version: object = {}): object =>
  customDefinition('Thing', { schema: { type: 'object', ...schema }, version })

const properties = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, { type: 'string', description: 'x'.repeat(20) }]))
const rules = (...written: string[]) => ({ 'x-kubernetes-validations': written.map((rule) => ({ rule })) })

type Sent = [what: string, method: string, path: string, body: string | object, headers?: Record<string, string>]

const BODIES: Sent[] = [
  ['JSON without an end', 'POST', MAPS, inData('{"a":"')],
  ['JSON of no UTF-8', 'POST', MAPS, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]).toString('latin1')],
  ['lists a hundred thousand deep', 'POST', MAPS, inData(nested('[', ']', 100_000))],
  ['objects a hundred thousand deep', 'POST', MAPS, inData(nested('{"a":', '}', 100_000, '1'))],
  ['a deep field that nobody knows', 'POST', MAPS, inData('{}').replace('"data"', `"strange":${nested('[', ']', 5000)},"data"`)],
  ['a number of a million digits', 'POST', MAPS, inData(`{"a":${'9'.repeat(1_000_000)}}`)],
  ['an exponent beyond all', 'POST', MAPS, inData('{"a":1e999999999}')],
  ['a quantity of many digits', 'POST', `${IN_DEFAULT}/pods`, pod('q', { overhead: { cpu: '9'.repeat(100_000) } })],
  ['a time of many digits', 'POST', MAPS, configMap('a', {}, { creationTimestamp: '2'.repeat(100_000) })],
  [
    'keys of the prototype',
    'POST',
    MAPS,
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"metadata":{"name":"p","labels":{"__proto__":"x"}}}',
  ],
  ['a thousand times the same key', 'POST', MAPS, inData(`{${Array.from({ length: 1000 }, () => '"a":"b"')}}`)],
  ['a hundred thousand keys', 'POST', MAPS, inData(`{${Array.from({ length: 100_000 }, (_, index) => `"k${index}":"v"`)}}`)],
  [
    'a hundred thousand labels',
    'POST',
    MAPS,
    configMap('l', {}, { labels: Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, '!'])) }),
  ],
  ['aliases that laugh', 'POST', MAPS, laughs(9), YAML],
  ['an alias of itself', 'POST', MAPS, 'a: &a [*a]', YAML],
  ['YAML deep in dashes', 'POST', MAPS, `${'- '.repeat(20_000)}a`, YAML],
  ['YAML deep in brackets', 'POST', MAPS, nested('[', ']', 50_000), YAML],
  ['YAML deep in braces', 'POST', MAPS, nested('{a: ', '}', 50_000), YAML],
  ['YAML that merges', 'POST', MAPS, 'a: &a {__proto__: {x: 1}}\n<<: *a\nmetadata: {<<: *a, name: m}', YAML],
  ['YAML with tags', 'POST', MAPS, 'metadata: {name: !!js/function "function(){}"}\ndata: !!binary "!!"', YAML],
  ['YAML of quotes without an end', 'POST', MAPS, `a: "${'\\'.repeat(200_001)}`, YAML],
  ['YAML of indents', 'POST', MAPS, Array.from({ length: 2000 }, (_, index) => `${' '.repeat(index)}a:`).join('\n'), YAML],
  ['YAML of many documents', 'POST', MAPS, '---\na: 1\n'.repeat(50_000), YAML],
  ['10 MB of broken YAML', 'POST', MAPS, `${'a: [b, {c: "d\n'.repeat(700_000)}`, YAML],
  ['2 MB of broken YAML', 'POST', MAPS, `${'a: [b, {c: "d\n'.repeat(140_000)}`, YAML],
  ['2 MB of YAML keys', 'POST', MAPS, Array.from({ length: 120_000 }, (_, index) => `k${index}: {a: *x}`).join('\n'), YAML],
  ['protobuf without a body', 'POST', MAPS, 'k8s\0', PROTOBUF],
  ['protobuf of a length beyond all', 'POST', MAPS, 'k8s\0\x12\x7f\x7f\x7f\x7f\x7f\x7f\x7f', PROTOBUF],
  ['protobuf of one byte, often', 'POST', MAPS, `k8s\0${'\x12'.repeat(100_000)}`, PROTOBUF],
  ['CBOR', 'POST', MAPS, '\xd9\xd9\xf7\xa0', { 'content-type': 'application/cbor' }],
  [
    'ten thousand copies of itself',
    'PATCH json',
    `${MAPS}/a`,
    Array.from({ length: 64 }, (_, index) => ({ op: 'copy', from: '/data', path: `/data/k${index}` })),
  ],
  [
    'a path through the prototype',
    'PATCH json',
    `${MAPS}/a`,
    [
      { op: 'add', path: '/__proto__/polluted', value: 1 },
      { op: 'add', path: '/constructor/prototype/polluted', value: 1 },
    ],
  ],
  ['a merge into the prototype', 'PATCH merge', `${MAPS}/a`, '{"__proto__":{"polluted":1},"metadata":{"__proto__":{"polluted":1}}}'],
  ['a strategic merge of nothings', 'PATCH strategic', `${IN_DEFAULT}/pods/p`, { spec: { containers: [null] } }],
  ...[600, 2500, 9000].flatMap((depth): Sent[] => {
    const deep = nested('{"a":', '}', depth, '12345678901234567')
    return [
      [`a merge of ${depth} levels`, 'PATCH merge', `${MAPS}/a`, `{"data":${deep}}`],
      [`a strategic merge of ${depth} levels`, 'PATCH strategic', `${MAPS}/a`, `{"data":${deep}}`],
      [`${depth} levels added`, 'PATCH json', `${MAPS}/a`, `[{"op":"add","path":"/data","value":${deep}}]`],
      [`a body of ${depth} levels`, 'POST', MAPS, inData(deep)],
    ]
  }),
  [
    'operations that go ever deeper',
    'PATCH json',
    `${MAPS}/a`,
    Array.from({ length: 60 }, (_, i) => ({
      op: 'add',
      path: `/data${'/a'.repeat(400 * i)}`,
      value: JSON.parse(nested('{"a":', '}', 400, '{}')),
    })),
  ],
  [
    'copies that go ever deeper',
    'PATCH json',
    `${MAPS}/a`,
    Array.from({ length: 60 }, (_, i) => [
      { op: 'add', path: '/metadata/annotations', value: JSON.parse(nested('{"a":', '}', 400, '{}')) },
      { op: 'copy', from: i > 0 ? '/data' : '/metadata/annotations', path: `/metadata/annotations${'/a'.repeat(400)}/b` },
      { op: 'move', from: '/metadata/annotations', path: '/data' },
    ]).flat(),
  ],
  ['a deep apply', 'PATCH apply', `${MAPS}/a?fieldManager=m`, inData(nested('{a: ', '}', 10_000))],
  [
    'managed fields of any depth',
    'POST',
    MAPS,
    configMap(
      'm',
      {},
      {
        managedFields: [
          {
            manager: 'x',
            operation: 'Apply',
            apiVersion: 'v1',
            fieldsType: 'FieldsV1',
            fieldsV1: JSON.parse(nested('{"f:a":', '}', 400, '{}')),
          },
        ],
      },
    ),
  ],
  [
    'delete options of no kind',
    'DELETE',
    `${MAPS}/a`,
    '{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":{"__proto__":1}}}',
  ],
  ['a pattern that explodes', 'POST', DEFINITIONS, definition({ properties: { a: { type: 'string', pattern: '^(a+)+$' } } })],
  ['a value for it', 'POST', THINGS, { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 't' }, a: `${'a'.repeat(50_000)}!` }],
  ['the definition away', 'DELETE', `${DEFINITIONS}/things.example.com`, ''],
  ...['(x+x+)+y', '(.*a){30}', '(a|a)*b', '(((a{1,30}){1,30}){1,30}){1,30}', '('.repeat(2000), 'a{1000}{1000}', '[[:alpha:]', '\\'].map(
    (pattern): Sent => [
      `the pattern ${pattern.slice(0, 20)}`,
      'POST',
      `${DEFINITIONS}?dryRun=All`,
      definition({ properties: { a: { type: 'string', pattern, default: 'x'.repeat(5000) } } }),
    ],
  ),
  ...[
    `self.a.matches('(a+)+$')`,
    `[1,2,3,4,5,6,7,8,9].all(a, ${'[1,2,3,4,5,6,7,8,9].all(b, '.repeat(12)}true${')'.repeat(13)}`,
    `${'('.repeat(3000)}1${')'.repeat(3000)} == 1`,
    `${'!'.repeat(10_001)}true`,
    `"${'a'.repeat(100_000)}" == "b"`,
    `${'1+'.repeat(50_000)}1 == 2`,
    `self.__proto__.constructor == 1`,
    `"a".replace("", "b").matches("${'(a*)*'.repeat(50)}")`,
  ].map(
    (rule): Sent => [
      `the rule ${rule.slice(0, 30)}`,
      'POST',
      `${DEFINITIONS}?dryRun=All`,
      definition({ properties: { a: { type: 'string' } }, ...rules(rule) }),
    ],
  ),
  ...['.{', '.a[', '..a', '.a[?(@.b==', `.a${'[*]'.repeat(5000)}`, '.__proto__', `.a['${'x'.repeat(10_000)}']`].map(
    (jsonPath): Sent => [
      `the column ${jsonPath.slice(0, 20)}`,
      'POST',
      `${DEFINITIONS}?dryRun=All`,
      definition({}, { additionalPrinterColumns: [{ name: 'c', type: 'string', jsonPath }] }),
    ],
  ),
  [
    'a schema of schemas',
    'POST',
    `${DEFINITIONS}?dryRun=All`,
    definition(JSON.parse(nested('{"type":"object","properties":{"a":', '}}', 400, '{"type":"string"}')) as object),
  ],
  ['a definition of 3 MiB', 'POST', DEFINITIONS, definition({ properties: properties(40_000) })],
]

const QUERIES = [
  `labelSelector=${'a,'.repeat(5000)}`,
  `labelSelector=a+in+(${'b,'.repeat(5000)}c)`,
  `labelSelector=${'('.repeat(5000)}`,
  `fieldSelector=${'metadata.name%3Da,'.repeat(3000)}`,
  `fieldSelector=metadata.name%3D${'%5C'.repeat(5000)}`,
  `continue=${'A'.repeat(10_000)}`,
  `continue=${Buffer.from('{"v":"meta.k8s.io/v1","rv":-1,"start":"../../../"}').toString('base64url')}`,
  'limit=-1',
  'limit=99999999999999999999',
  'resourceVersion=-1&resourceVersionMatch=Exact',
  'resourceVersion=18446744073709551616',
  'watch=1&timeoutSeconds=-1&resourceVersion=x',
  'watch=1&timeoutSeconds=0.001&allowWatchBookmarks=maybe&sendInitialEvents=perhaps',
  '%',
  '%ff=%00&__proto__=1&constructor=2',
  `${'a=b&'.repeat(5000)}`,
]

/** Upstream has no reason for these, and code 500. */
const UNREASONED =
  /^resourceVersion: Invalid value|^resourceVersion should not be set|^unknown patch type|^failed to create typed patch object|list element types are not identical/

async function attack(t: Requests, sent: Sent): Promise<string> {
  const [what, method, path, body, headers] = sent
  const form = typeof body === 'string' && (headers?.['content-type'] ?? '').match(/protobuf|cbor/) ? Buffer.from(body, 'latin1') : body
  const text = typeof form === 'string' || form instanceof Uint8Array ? form : JSON.stringify(form)
  const response =
    text instanceof Uint8Array
      ? await t.server.handle({ method, path, body: text, headers: headers ?? {} })
      : await t.send(method, path, text, headers)
  assert.ok(response.status >= 200 && response.status < 600, what)
  if (response.status >= 500)
    assert.match((response.json as { message: string }).message, UNREASONED, `${what}: ${response.text.slice(0, 500)}`)
  return `${response.status}`
}

/** What the longest turn of the loop took of the processor: how long others had it does not matter. */
function watchTurns(): { longestMs(): Promise<number> } {
  let longest = 0
  const ended = new AbortController()
  const watching = (async () => {
    for (let before = processorMs(); !ended.signal.aborted; ) {
      await sleep(1)
      const now = processorMs()
      longest = Math.max(longest, now - before)
      before = now
    }
  })()
  return {
    async longestMs() {
      ended.abort()
      await watching
      return longest
    },
  }
}

function processorMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

test('chain answers hostile bodies, patches, patterns and rules without a stall', async (context) => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a', { a: 'b'.repeat(100) }))
  await t.send('POST', `${IN_DEFAULT}/pods`, pod('p'))
  let [longest, slowest] = [0, '']
  for (const sent of BODIES) {
    const turns = watchTurns()
    const status = await attack(t, sent)
    const stall = await turns.longestMs()
    if (stall > longest) [longest, slowest] = [stall, `${sent[0]} (${status})`]
    if (stall > 50) context.diagnostic(`${sent[0]}: ${stall.toFixed(0)} ms, answered ${status}`)
  }
  context.diagnostic(`longest stall: ${longest.toFixed(0)} ms, ${slowest}`)
  assert.ok(longest < CATASTROPHE_MS, slowest)
  assert.deepEqual(Object.keys(Object.prototype), [])
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  assert.equal((await t.send('GET', '/livez')).text, 'ok')
})

test('chain answers hostile queries on every verb', async () => {
  await using t = await startRequests()
  await t.send('POST', MAPS, configMap('a'))
  for (const query of QUERIES) {
    for (const method of ['GET', 'DELETE', 'HEAD', 'OPTIONS', 'POST']) {
      const { status, text } = await t.send(method, `${MAPS}?${query}`, method === 'POST' ? configMap('b') : undefined)
      assert.ok(
        (status >= 200 && status < 500) || /"message":"resourceVersion: Invalid value/.test(text),
        `${method} ${query.slice(0, 60)}: ${status} ${text.slice(0, 300)}`,
      )
    }
  }
})
