// Bodies made to keep the server busy: how long the loop stands still for each, and what is answered.
// usage: node bench/stalls.ts
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { markdown } from './figures.ts'
import { ask, start, stop } from './server-process.ts'

const MIB = 1024 * 1024
const directory = mkdtempSync(join(tmpdir(), 'sampan-bench-'))
const server = await start('api-server.ts', [directory])
const { url, ca, cert, key } = server.ready

async function send(path: string, type: string, body: string): Promise<number> {
  const sent = request(`${url}${path}`, {
    method: type.includes('patch') ? 'PATCH' : 'POST',
    ca,
    cert,
    key,
    headers: { 'content-type': type },
  })
  sent.on('error', () => {})
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
  answer.resume()
  await once(answer, 'close')
  return answer.statusCode ?? 0
}

function definition(bytes: number): object {
  const properties: Record<string, unknown> = {}
  for (let i = 0, size = 0; size < bytes; i++) {
    const field = {
      type: 'object',
      description: `The field ${i}. ${'x'.repeat(60)}`,
      properties: { value: { type: 'string', maxLength: 10 } },
    }
    properties[`field${i}`] = field
    size += JSON.stringify(field).length + 14
  }
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'larges.bench.example' },
    spec: {
      group: 'bench.example',
      scope: 'Namespaced',
      names: { plural: 'larges', singular: 'large', kind: 'Large', listKind: 'LargeList' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  }
}

const MAPS = '/api/v1/namespaces/default/configmaps'
const lines = (count: number, line: (i: number) => string) => Array.from({ length: count }, (_, i) => line(i)).join('')
const upTo = (bytes: number, line: (i: number) => string) => lines(Math.floor(bytes / line(100_000).length), line)
const CASES: [string, string, string, string][] = [
  ['10 MB of malformed YAML', MAPS, 'application/yaml', upTo(10e6, (i) => `key${i}: [unclosed, {a: b\n`)],
  ['3 MB of malformed YAML', MAPS, 'application/yaml', `${upTo(3e6, (i) => `key${i}: value\n`)}]`],
  ['3 MB of nested flow YAML', MAPS, 'application/yaml', '['.repeat(3e6)],
  ['3 MB of YAML of unknown fields', MAPS, 'application/yaml', upTo(3e6, (i) => `key${i}: value\n`)],
  ['3 MB of JSON of unknown fields', MAPS, 'application/json', `{${upTo(3e6, (i) => `"key${i}":"value",`)}"z":1}`],
  [
    'a merge patch of 3 MB',
    `${MAPS}/patched`,
    'application/merge-patch+json',
    `{"data":{${upTo(3e6, (i) => `"key${i}":"value",`)}"z":"1"}}`,
  ],
  [
    'a JSON patch of 10,000 operations',
    `${MAPS}/patched`,
    'application/json-patch+json',
    `[${lines(9_999, (i) => `{"op":"add","path":"/data/key${i}","value":"${'x'.repeat(40)}"},`)}{"op":"remove","path":"/data/key1"}]`,
  ],
  [
    'an apply of 3 MB',
    `${MAPS}/applied?fieldManager=bench`,
    'application/apply-patch+yaml',
    `apiVersion: v1\nkind: ConfigMap\ndata:\n${upTo(2.9e6, (i) => `  key${i}: value\n`)}`,
  ],
  [
    'a list of 2.9 MB of small items',
    '/api/v1/namespaces/default/pods',
    'application/json',
    `{"metadata":{"name":"a"},"spec":{"containers":[${upTo(2.9e6, (i) => `{"name":"c${i}","image":"a"},`)}{"name":"c","image":"a"}]}}`,
  ],
  [
    'a definition of 2.9 MiB',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    'application/json',
    JSON.stringify(definition(2.9 * MIB)),
  ],
]

const seeded = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'patched' }, data: {} })

try {
  await send(MAPS, 'application/json', seeded)
  const rows: string[][] = []
  for (const [name, path, type, body] of CASES) {
    const before = await ask(server.child, 'usage')
    const began = performance.now()
    const status = await send(path, type, body)
    const ms = performance.now() - began
    // What follows an answer (a definition is set up) counts too.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const { stall, cpu } = await ask(server.child, 'usage')
    rows.push([
      `${name}: longest stall`,
      `${stall.toFixed(0)} ms (answered ${status} in ${ms.toFixed(0)} ms; ${((cpu - before.cpu) * 1000).toFixed(0)} ms of processor time)`,
      '50 ms',
    ])
  }
  console.log(markdown(['figure', 'measured', 'bound'], rows))
} finally {
  await stop(server.child)
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)
