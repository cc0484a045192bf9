import assert from 'node:assert/strict'
import { test } from 'node:test'
import { negotiate } from './negotiate.ts'

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const cases: [string | undefined, { format: string; as?: string; metaVersion?: string }][] = [
  [undefined, { format: 'json' }],
  ['*/*', { format: 'json' }],
  ['application/yaml', { format: 'yaml' }],
  ['text/html, application/json', { format: 'json' }],
  [`${TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json`, { format: 'json', as: 'Table', metaVersion: 'v1' }],
  ['application/json;as=Table;v=v2;g=meta.k8s.io,application/json', { format: 'json' }],
  [
    'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1beta1',
    { format: 'json', as: 'PartialObjectMetadataList', metaVersion: 'v1beta1' },
  ],
  ['application/yaml;q=0.5,application/json;q=0.9', { format: 'json' }],
  ['application/cbor,application/json', { format: 'json' }],
]
for (const [accept, expected] of cases) {
  test(`negotiate takes ${accept}`, () => {
    const { format, as, metaVersion } = negotiate(accept, { transforms: true })
    assert.deepEqual({ format, as, metaVersion }, { as: undefined, metaVersion: 'v1', ...expected })
  })
}

test('negotiate refuses what is not on offer', () => {
  for (const accept of ['text/html', 'application/cbor', 'application/json;q=0', 'application/json;as=Foo;v=v1;g=meta.k8s.io'])
    assert.throws(() => negotiate(accept, { transforms: true }), { reason: 'NotAcceptable', code: 406 })
})
