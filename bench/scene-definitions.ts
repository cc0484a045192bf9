// Hundreds of definitions and groups, large ones, and what is told of them.
import { many, range, type Turns } from './turns.ts'
import { definition, DEFINITIONS, MERGE, schemaOf } from './scene-parts.ts'

const V2_PROTOBUF = { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' }
const V3_PROTOBUF = { accept: 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf' }
const DISCOVERY = { accept: 'application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList' }
const SETS_UP_MS = 5000

export async function definitions(turns: Turns): Promise<void> {
  const define = (group: string, plural: string, schema: object) => turns.must('POST', DEFINITIONS, definition({ group, plural, schema }))
  const get = (name: string, path: string, headers: Record<string, string> = {}) =>
    turns.measure(name, () => turns.send('GET', path, '', headers), SETS_UP_MS)
  const small = schemaOf(30_000)
  await turns.measure('200 definitions of 30 KB', () => many(200, (i) => define('many.example', `kinds${i}s`, small)), SETS_UP_MS)
  await get('OpenAPI v2 after that', '/openapi/v2')
  await get('OpenAPI v2 in protobuf', '/openapi/v2', V2_PROTOBUF)
  await get('OpenAPI v3 index', '/openapi/v3')
  await get('OpenAPI v3 of it', '/openapi/v3/apis/many.example/v1')
  await get('OpenAPI v3 of it in protobuf', '/openapi/v3/apis/many.example/v1', V3_PROTOBUF)
  await turns.measure('one of them changed', async () =>
    turns.send('PATCH', `${DEFINITIONS}/kinds7s.many.example`, { spec: { names: { shortNames: ['seven'] } } }, MERGE),
  )
  await get('OpenAPI v2 after the change', '/openapi/v2')
  await get('OpenAPI v3 after the change', '/openapi/v3/apis/many.example/v1')
  await turns.measure('300 groups', () => many(300, (i) => define(`g${i}.example`, 'things', { type: 'object' })), SETS_UP_MS)
  await get('discovery of them', '/apis', DISCOVERY)
  await get('discovery of them, unaggregated', '/apis')
  const rule = (i: number) => ({
    type: 'integer',
    'x-kubernetes-validations': [{ rule: `self > ${i} && self < ${i + 1000} || self == ${i * 7}` }],
  })
  const ruled = { type: 'object', properties: Object.fromEntries(range(3000).map((i) => [`f${i}`, rule(i)])) }
  await turns.measure('a definition of 900 KB of rules', () => define('rules.example', 'rules', ruled), 3000)
  const kind = { apiVersion: 'rules.example/v1', kind: 'Rule', metadata: { name: 'r' } }
  const rules = '/apis/rules.example/v1/namespaces/default/rules'
  const values = Object.fromEntries(range(3000).map((i) => [`f${i}`, i + 1]))
  await turns.measure('a resource of them', () => turns.send('POST', rules, { ...kind, ...values }), 3000)
  const each = {
    type: 'object',
    properties: {
      data: {
        type: 'object',
        maxProperties: 200_000,
        additionalProperties: { type: 'string', maxLength: 10, 'x-kubernetes-validations': [{ rule: "self != 'x'" }] },
      },
    },
  }
  await turns.measure('a definition with a rule for each of many members', () => define('each.example', 'eaches', each))
  const data = Object.fromEntries(range(170_000).map((i) => [`k${i}`, 'v']))
  const eaches = '/apis/each.example/v1/namespaces/default/eaches'
  const of = (name: string, data: object) => ({ apiVersion: 'each.example/v1', kind: 'Eache', metadata: { name }, data })
  await turns.measure('rules over 170,000 members', () => turns.send('POST', eaches, of('a', data)), 3000)
  await turns.measure(
    'rules over 60,000 members',
    () => turns.send('POST', eaches, of('b', Object.fromEntries(Object.entries(data).slice(0, 60_000)))),
    3000,
  )
  await turns.restart('a start with 500 definitions')
  await get('OpenAPI v2 after a start', '/openapi/v2')
}

/** Definitions of a megabyte. */
export async function largeDefinitions(turns: Turns): Promise<void> {
  const define = (i: number, bytes: number) =>
    turns.send('POST', DEFINITIONS, definition({ group: 'large.example', plural: `kinds${i}s`, schema: schemaOf(bytes) }))
  await turns.measure('a definition of 2.9 MiB', () => define(100, 2.8 * 1024 * 1024), SETS_UP_MS)
  await turns.measure('OpenAPI v3 of it', () => turns.send('GET', '/openapi/v3/apis/large.example/v1'), SETS_UP_MS)
  await turns.measure(
    'OpenAPI v3 of it in protobuf',
    () => turns.send('GET', '/openapi/v3/apis/large.example/v1', '', V3_PROTOBUF),
    SETS_UP_MS,
  )
  await turns.measure('50 definitions of 1 MiB', () => many(50, (i) => define(i, 1024 * 1024)), SETS_UP_MS)
  await turns.measure('OpenAPI v3 of them', () => turns.send('GET', '/openapi/v3/apis/large.example/v1'), SETS_UP_MS)
  await turns.measure('OpenAPI v2 of them', () => turns.send('GET', '/openapi/v2'), SETS_UP_MS)
  await turns.request('a list of them', 'GET', DEFINITIONS)
  await turns.restart('a start with 50 definitions of 1 MiB')
}
