import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JsonPath, JsonPathError } from './json-path.ts'

const OBJECT = {
  metadata: { labels: { 'app.kubernetes.io/name': 'web' } },
  spec: {
    ports: [
      { name: 'a', port: 1 },
      { name: 'b', port: 2 },
    ],
  },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
}

const cases: [string, unknown[]][] = [
  ['.spec.ports[0].port', [1]],
  ['.spec.ports[-1].name', ['b']],
  ['.spec.ports[*].port', [1, 2]],
  ['.spec.ports[0:1].port', [1]],
  ['.status.conditions[?(@.type=="Ready")].status', ['True']],
  [".status.conditions[?(@.type == 'Ready')].status", ['True']],
  ['.spec.ports[?(@.port>1)].name', ['b']],
  ['.spec.ports[?(@.port)].name', ['a', 'b']],
  ['.metadata.labels.app\\.kubernetes\\.io/name', ['web']],
  [".metadata.labels['app\\.kubernetes\\.io/name']", ['web']],
  ['.constructor', []],
  ['.spec.none.deeper', []],
]

for (const [path, found] of cases)
  test(`JsonPath finds ${path}`, () => {
    assert.deepEqual(JsonPath.parse(path).find(OBJECT), found)
  })

for (const path of ['spec', '.spec[', '.spec..', '.a[?(@.b=)]', '.a[x]', `.a[?(@${' '.repeat(500_000)}`])
  test(`JsonPath refuses ${path.slice(0, 20)}`, () => {
    assert.throws(() => JsonPath.parse(path), JsonPathError)
  })
