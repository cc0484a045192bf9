// Whole numbers of 64 bits, through everything a resource passes on its way in and out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IN_DEFAULT, startRequests } from '#server/engine/requests.ts'
import { DEFINITIONS } from './testing.ts'

const LONGS = '/apis/example.com/v1/namespaces/default/longs'
const [ONE, OTHER, MOST] = ['9007199254740993', '1234567890123456789', '9223372036854775807']

const DEFINITION = `{
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "longs.example.com"},
  "spec": {
    "group": "example.com", "scope": "Namespaced", "names": {"plural": "longs", "kind": "Long"},
    "versions": [{
      "name": "v1", "served": true, "storage": true,
      "additionalPrinterColumns": [{"name": "Id", "type": "integer", "jsonPath": ".spec.id"}],
      "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
        "type": "object",
        "x-kubernetes-validations": [{"rule": "!has(self.id) || self.id != 9007199254740995", "message": "not that one"}],
        "properties": {
          "id": {"type": "integer", "format": "int64"},
          "share": {"type": "number"},
          "least": {"type": "integer", "default": ${OTHER}},
          "one": {"type": "integer", "enum": [${ONE}, 1]},
          "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
          "ids": {"type": "array", "items": {"type": "integer"}, "x-kubernetes-list-type": "set"},
          "items": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
            "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "text": {"type": "string"}}}
          }
        }
      }}}}
    }]
  }
}`

async function startLongs() {
  const cluster = await startRequests()
  const send = async (...asked: Parameters<typeof cluster.send>) => {
    const answer = await cluster.send(...asked)
    return { status: answer.status, text: String(answer.body) }
  }
  const made = await send('POST', DEFINITIONS, DEFINITION)
  assert.equal(made.status, 201, made.text)
  for (let turns = 0; (await send('GET', LONGS)).status === 404; turns++) {
    if (turns > 10_000) assert.fail((await send('GET', `${DEFINITIONS}/longs.example.com`)).text)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { send, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() }
}

const long = (name: string, spec: string) => `{"apiVersion":"example.com/v1","kind":"Long","metadata":{"name":"${name}"},"spec":${spec}}`
const specOf = (text: string) => /"spec":(\{.*\})\}\s*$/.exec(text)?.[1]

test('whole numbers of 64 bits keep their digits in what is sent, stored, shown and listed', async () => {
  await using f = await startLongs()
  const spec = `{"id":${MOST},"free":{"a":[${ONE},-9223372036854775808]},"ids":[${ONE},${OTHER}],"one":${ONE}}`
  const made = await f.send('POST', LONGS, long('a', spec))
  assert.equal(made.status, 201, made.text)
  const kept = `${spec.slice(0, -1)},"least":${OTHER}}`
  assert.equal(specOf(made.text), kept)
  assert.equal(specOf((await f.send('GET', `${LONGS}/a`)).text), kept)
  assert.ok((await f.send('GET', LONGS)).text.includes(kept))
  const yaml = await f.send('GET', `${LONGS}/a`, undefined, { accept: 'application/yaml' })
  assert.match(yaml.text, new RegExp(`^  id: ${MOST}$`, 'm'))
  const table = await f.send('GET', LONGS, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
  assert.ok(table.text.includes(`"cells":["a",${MOST}]`), table.text)
})

const WRITES: [what: string, verb: string, body: string, wanted: string, headers?: Record<string, string>][] = [
  ['a merge patch of something else', 'PATCH merge', '{"spec":{"free":{"b":1}}}', `{"id":${ONE},"free":{"b":1},"least":${OTHER}}`],
  ['a merge patch', 'PATCH merge', `{"spec":{"id":${MOST}}}`, `{"id":${MOST},"least":${OTHER}}`],
  [
    'a JSON patch',
    'PATCH json',
    `[{"op":"test","path":"/spec/id","value":${ONE}},{"op":"replace","path":"/spec/id","value":${OTHER}}]`,
    `{"id":${OTHER},"least":${OTHER}}`,
  ],
  ['an apply', 'PATCH apply', `apiVersion: example.com/v1\nkind: Long\nspec:\n  id: ${OTHER}\n`, `{"id":${OTHER},"least":${OTHER}}`],
  [
    'a PUT in YAML',
    'PUT',
    `apiVersion: example.com/v1\nkind: Long\nmetadata:\n  name: a\n  resourceVersion: "VERSION"\nspec:\n  id: -${MOST}\n`,
    `{"id":-${MOST},"least":${OTHER}}`,
    { 'content-type': 'application/yaml' },
  ],
]

for (const [what, verb, body, wanted, headers] of WRITES)
  test(`whole numbers of 64 bits keep their digits through ${what}`, async () => {
    await using f = await startLongs()
    const made = await f.send('POST', LONGS, long('a', `{"id":${ONE}}`))
    const version = /"resourceVersion":"(\d+)"/.exec(made.text)![1]!
    const query = verb.endsWith('apply') ? '?fieldManager=a&force=true' : ''
    const written = await f.send(verb, `${LONGS}/a${query}`, body.replace('VERSION', version), headers)
    assert.equal(written.status, 200, written.text)
    assert.deepEqual(JSON.parse(specOf(written.text)!), JSON.parse(wanted))
    for (const digits of wanted.match(/-?\d{16,}/g)!) assert.ok(specOf(written.text)!.includes(digits), written.text)
  })

test('whole numbers of 64 bits are keys of lists, members of sets and what rules judge', async () => {
  await using f = await startLongs()
  const apply = (manager: string, spec: string) => f.send('PATCH apply', `${LONGS}/a?fieldManager=${manager}`, long('a', spec))
  await apply('a', `{"items":[{"id":${ONE},"text":"x"}],"ids":[${ONE}]}`)
  const both = await apply('b', `{"items":[{"id":9007199254740995,"text":"y"}],"ids":[9007199254740995]}`)
  assert.equal(both.status, 200, both.text)
  assert.ok(specOf(both.text)!.includes(`[{"id":${ONE},"text":"x"},{"id":9007199254740995,"text":"y"}]`), both.text)
  assert.ok(specOf(both.text)!.includes(`[${ONE},9007199254740995]`), both.text)
  assert.ok(both.text.includes(`k:{\\"id\\":${ONE}}`), both.text)
  const conflict = await apply('b', `{"items":[{"id":${ONE},"text":"z"}]}`)
  assert.match(conflict.text, new RegExp(`items\\[id=${ONE}\\].text`))
  const refused = await f.send('POST', LONGS, long('b', '{"id":9007199254740995}'))
  assert.match(refused.text, /not that one/)
  assert.equal((await f.send('POST', LONGS, long('b', `{"id":9007199254740994,"share":${ONE},"one":1}`))).status, 201)
  const other = await f.send('POST', LONGS, long('c', '{"one":9007199254740992}'))
  assert.match(other.text, /Unsupported value: 9007199254740992: supported values/)
  const beyond = await f.send('POST', LONGS, long('d', '{"id":92233720368547758090}'))
  assert.equal(beyond.status, 422, beyond.text)
})

test('whole numbers of 64 bits in large bodies keep their digits', async () => {
  await using f = await startLongs()
  const made = await f.send('POST', LONGS, long('a', `{"free":{"text":"${'x'.repeat(200_000)}"},"id":${ONE}}`))
  assert.equal(made.status, 201)
  for (const accept of ['application/json', 'application/yaml'])
    for (const path of [`${LONGS}/a?pretty=true`, `${LONGS}?pretty=true`])
      assert.match((await f.send('GET', path, undefined, { accept })).text, new RegExp(`id"?: ${ONE}`), accept)
  const patched = await f.send('PATCH merge', `${LONGS}/a`, `{"spec":{"free":{"more":${OTHER}}}}`)
  assert.ok(patched.text.includes(`"id":${ONE}`) && patched.text.includes(`"more":${OTHER}`))
})

test('whole numbers of 64 bits in fields of built-in kinds are numbers of 64 bits afterwards', async () => {
  await using f = await startLongs()
  const pod = (seconds: string) =>
    `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i"}],"terminationGracePeriodSeconds":${seconds}}}`
  for (const headers of [{}, { 'content-type': 'application/yaml' }]) {
    const made = await f.send('POST', `${IN_DEFAULT}/pods?dryRun=All`, pod(MOST), headers)
    assert.equal(made.status, 201, made.text)
    const [, digits] = /"terminationGracePeriodSeconds":(\d+)/.exec(made.text)!
    assert.ok(BigInt(digits!) <= BigInt(MOST) && BigInt(digits!) > BigInt(MOST) - 2048n, digits)
    const refused = await f.send('POST', `${IN_DEFAULT}/pods?dryRun=All`, pod('9223372036854775808'), headers)
    assert.match(
      refused.text,
      /cannot unmarshal number 922337203685477\d+ into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64/,
    )
  }
})
