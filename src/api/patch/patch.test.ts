import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deepFreeze } from '#api/clone.ts'
import { definition } from '#api/definitions.ts'
import { hasReason, StatusError } from '#api/status.ts'
import { patchObject, type PatchBody } from './patch.ts'

const pod = definition('io.k8s.api.core.v1.Pod')
const deployment = definition('io.k8s.api.apps.v1.Deployment')
const service = definition('io.k8s.api.core.v1.Service')

const patched = (object: object, type: PatchBody['type'], patch: unknown, schema = pod) =>
  patchObject(deepFreeze(object), { type, patch }, schema)

const jsonCases: [string, object, unknown[], object][] = [
  ['adds a member', { a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
  ['adds before an item', { l: [1, 2] }, [{ op: 'add', path: '/l/1', value: 9 }], { l: [1, 9, 2] }],
  ['appends with -', { l: [1] }, [{ op: 'add', path: '/l/-', value: 2 }], { l: [1, 2] }],
  ['removes from the end', { l: [1, 2] }, [{ op: 'remove', path: '/l/-1' }], { l: [1] }],
  [
    'unescapes',
    { 'a/b': 1, 'c~d': 2 },
    [
      { op: 'remove', path: '/a~1b' },
      { op: 'remove', path: '/c~0d' },
    ],
    {},
  ],
  ['moves', { a: { b: 1 } }, [{ op: 'move', from: '/a/b', path: '/c' }], { a: {}, c: 1 }],
  [
    'copies',
    { a: { b: 1 } },
    [
      { op: 'copy', from: '/a', path: '/c' },
      { op: 'replace', path: '/c/b', value: 2 },
    ],
    { a: { b: 1 }, c: { b: 2 } },
  ],
  [
    'tests',
    { a: { b: [1] } },
    [
      { op: 'test', path: '/a', value: { b: [1] } },
      { op: 'test', path: '/x', value: null },
    ],
    { a: { b: [1] } },
  ],
  ['replaces the whole', { a: 1 }, [{ op: 'replace', path: '', value: { z: 1 } }], { z: 1 }],
  // As upstream's library, where the RFC would have it refused.
  ['replaces what is not there', { a: {} }, [{ op: 'replace', path: '/a/b', value: 1 }], { a: { b: 1 } }],
  ['copies what is not there as null', {}, [{ op: 'copy', from: '/a', path: '/b' }], { b: null }],
  [
    'takes a value left out for null',
    { a: 1 },
    [
      { op: 'replace', path: '/a' },
      { op: 'add', path: '/b' },
    ],
    { a: null, b: null },
  ],
  ['passes over what is before the first slash', { a: 1 }, [{ op: 'remove', path: 'x/a' }], {}],
  [
    'reads indices with signs and zeros',
    { l: [1, 2, 3] },
    [
      { op: 'remove', path: '/l/+1' },
      { op: 'remove', path: '/l/00' },
    ],
    { l: [3] },
  ],
  [
    'puts at the very end with -1',
    { l: [1] },
    [
      { op: 'add', path: '/l/-1', value: 2 },
      { op: 'replace', path: '/l/-2', value: 0 },
    ],
    { l: [0, 2] },
  ],
]
for (const [title, object, patch, expected] of jsonCases)
  test(`jsonPatch ${title}`, () => assert.deepEqual(patched(object, 'json', patch), expected))

test('jsonPatch without operations is null as well', () => assert.deepEqual(patched({ a: 1 }, 'json', null), { a: 1 }))

const refusals: [string, unknown, number][] = [
  ['a missing parent', [{ op: 'add', path: '/x/y', value: 1 }], 422],
  ['a missing member', [{ op: 'remove', path: '/x' }], 422],
  ['a failing test', [{ op: 'test', path: '/a', value: 2 }], 422],
  ['an index out of range', [{ op: 'add', path: '/l/5', value: 1 }], 422],
  ['an index before the first', [{ op: 'add', path: '/l/-2', value: 1 }], 422],
  ['an index that is no number', [{ op: 'add', path: '/l/1e0', value: 1 }], 422],
  ['a move into itself', [{ op: 'move', from: '/l', path: '/l/x' }], 422],
  ['an operation that is null', [null], 422],
  ['an operation that is no object', [[]], 400],
  ['a new document that is none', [{ op: 'replace', path: '', value: null }], 422],
  ['an unknown operation', [{ op: 'frob', path: '/a' }], 422],
  ['what is no list', { op: 'add' }, 400],
  ['too many operations', Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 })), 413],
  ['a prototype', [{ op: 'add', path: '/__proto__/polluted', value: 1 }], 422],
  ['a result that is no object', [{ op: 'replace', path: '', value: [1] }], 422],
]
for (const [title, patch, code] of refusals) {
  test(`jsonPatch refuses ${title}`, () =>
    assert.throws(
      () => patched({ a: 1, l: [] }, 'json', patch),
      (error) => error instanceof StatusError && error.code === code,
    ))
}

test('jsonPatch bounds what copies add', () => {
  const doubling = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/a', path: `/a/c${i}` }))
  assert.throws(
    () => patched({ a: { text: 'x'.repeat(1000) } }, 'json', doubling),
    (error) => hasReason(error, 'Invalid'),
  )
})

test('jsonPatch keeps __proto__ as plain data', () => {
  const result = patched({}, 'json', JSON.parse('[{"op":"add","path":"/__proto__","value":{"polluted":1}}]')) as any
  assert.deepEqual(Object.keys(result), ['__proto__'])
  assert.equal(result.polluted, undefined)
})

test('mergePatch takes the nulls of objects in new lists along, not those of a list in an object place', () => {
  const patch = { l: [{ a: null, b: 1 }, null], o: [{ a: null }], n: [[{ a: null }]] }
  assert.deepEqual(patched({ l: [1], o: { z: 1 } }, 'merge', patch), { l: [{ b: 1 }, null], o: [{ a: null }], n: [[{}]] })
})

test('mergePatch merges, removes and replaces', () => {
  assert.deepEqual(patched({ a: { b: 1, c: 2 }, l: [1] }, 'merge', { a: { b: null, d: { e: null, f: 1 } }, l: [2] }), {
    a: { c: 2, d: { f: 1 } },
    l: [2],
  })
  const result = patched({ a: 1 }, 'merge', JSON.parse('{"__proto__":{"polluted":1}}')) as any
  assert.equal(result.polluted, undefined)
  assert.throws(
    () => patched({}, 'merge', null),
    (error) => hasReason(error, 'BadRequest'),
  )
})

const containers = (...list: unknown[]) => ({ spec: { containers: list } })
const strategicCases: [string, typeof pod, object, unknown, object][] = [
  [
    'merges lists by key and puts new items first',
    pod,
    containers({ name: 'a', image: '1' }, { name: 'b' }),
    containers({ name: 'c', image: '3' }, { name: 'a', image: '2' }),
    containers({ name: 'c', image: '3' }, { name: 'a', image: '2' }, { name: 'b' }),
  ],
  [
    'deletes an item',
    pod,
    containers({ name: 'a' }, { name: 'b' }),
    containers({ name: 'a', $patch: 'delete' }),
    containers({ name: 'b' }),
  ],
  ['replaces a list', pod, containers({ name: 'a' }), containers({ $patch: 'replace' }, { name: 'z' }), containers({ name: 'z' })],
  [
    'replaces a map',
    pod,
    { metadata: { labels: { a: '1' } } },
    { metadata: { labels: { $patch: 'replace', b: '2' } } },
    { metadata: { labels: { b: '2' } } },
  ],
  [
    'empties a map',
    pod,
    { metadata: { labels: { a: '1' } } },
    { metadata: { labels: { $patch: 'delete' } } },
    { metadata: { labels: {} } },
  ],
  [
    'removes by null',
    pod,
    { metadata: { labels: { a: '1', b: '2' } } },
    { metadata: { labels: { a: null, c: null } } },
    { metadata: { labels: { b: '2' } } },
  ],
  [
    'merges sets',
    pod,
    { metadata: { finalizers: ['a', 'b'] } },
    { metadata: { finalizers: ['c', 'a'] } },
    { metadata: { finalizers: ['c', 'a', 'b'] } },
  ],
  [
    'deletes from a set',
    pod,
    { metadata: { finalizers: ['a', 'b'] } },
    { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } },
    { metadata: { finalizers: ['b'] } },
  ],
  [
    'orders by $setElementOrder, strangers keep their place',
    pod,
    containers({ name: 'a' }, { name: 'x' }, { name: 'b' }),
    { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [{ name: 'a', image: 'i' }] } },
    containers({ name: 'x' }, { name: 'b' }, { name: 'a', image: 'i' }),
  ],
  [
    'orders a list it does not change',
    pod,
    containers({ name: 'a' }, { name: 'b' }),
    { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] } },
    containers({ name: 'b' }, { name: 'a' }),
  ],
  [
    'retains keys',
    deployment,
    { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } },
    { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
    { spec: { strategy: { type: 'Recreate' } } },
  ],
  [
    'replaces an atomic list',
    pod,
    { spec: { tolerations: [{ key: 'a' }] } },
    { spec: { tolerations: [{ key: 'b' }] } },
    { spec: { tolerations: [{ key: 'b' }] } },
  ],
  [
    'merges service ports by port',
    service,
    { spec: { ports: [{ port: 80, targetPort: 1 }, { port: 81 }] } },
    { spec: { ports: [{ port: 80, targetPort: 2 }] } },
    { spec: { ports: [{ port: 80, targetPort: 2 }, { port: 81 }] } },
  ],
  [
    'leaves no directive where there was nothing to merge with',
    pod,
    {},
    {
      spec: {
        strategy: { $retainKeys: ['type'], type: 'x' },
        containers: [
          { name: 'a', $patch: 'delete' },
          { name: 'b', image: null },
        ],
      },
    },
    { spec: { strategy: { type: 'x' }, containers: [{ name: 'b' }] } },
  ],
]
for (const [title, schema, object, patch, expected] of strategicCases) {
  test(`strategicMergePatch ${title}`, () => assert.deepEqual(patched(object, 'strategic', patch, schema), expected))
}

const strategicRefusals: [string, unknown, RegExp, number][] = [
  ['an item without its key', containers({ image: 'x' }), /^map: map\[image:x\] does not contain declared merge key: name$/, 500],
  ['an unknown directive', { spec: { $patch: 'frob', a: 1 } }, /^unknown patch type: frob in map: map\[\$patch:frob a:1\]$/, 500],
  ['a directive that is no text', { spec: { $patch: 1 } }, /^unknown patch type: %!s\(int64=1\) in map: map\[\$patch:1\]$/, 500],
  ['an unknown directive of an item', containers({ name: 'a', $patch: 'frob' }), /frob in map: map\[\$patch:frob name:a\]$/, 500],
  ['items of two types', { spec: { containers: ['x'] } }, /^list element types are not identical: \[\[map\[name:a\]\] \[x\]\]$/, 500],
  [
    'an order that is no list',
    { spec: { '$setElementOrder/containers': 'x' } },
    /^expected a \[\]interface \{\}, but received a string$/,
    500,
  ],
  [
    'an order of null',
    { spec: { '$setElementOrder/containers': null } },
    /^expected a \[\]interface \{\}, but received a %!s\(<nil>\)$/,
    500,
  ],
  ['keys beyond $retainKeys', { spec: { $retainKeys: ['a'], b: 1 } }, /invalid patch format of retainKeys/, 400],
  ['lists in a set', { metadata: { finalizers: [['a']] } }, /rejected our request/, 422],
  [
    'an order that contradicts',
    { spec: { '$setElementOrder/containers': [{ name: 'b' }], containers: [{ name: 'a' }] } },
    /^The order in patch list:\n\[map\[name:a\]\]\n doesn't match \$setElementOrder list:\n\[map\[name:b\]\]\n$/,
    500,
  ],
  ['a list', [], /cannot unmarshal array/, 400],
]
for (const [title, patch, message, code] of strategicRefusals) {
  test(`strategicMergePatch refuses ${title}`, () =>
    assert.throws(
      () => patched({ metadata: { finalizers: ['f'] }, ...containers({ name: 'a' }) }, 'strategic', patch),
      (error) => error instanceof StatusError && error.code === code && message.test(error.message),
    ))
}
