import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorTexts } from '#api/kinds/minimal-objects.ts'
import { validateConditions, validateObjectMeta, validateObjectMetaUpdate } from './object-meta.ts'

const namespaced = { scope: 'Namespaced', standardFinalizers: true } as const
const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }

const refused: [string, Record<string, any>, string[]][] = [
  ['no name', { name: '' }, ['metadata.name: Required value: name or generateName is required']],
  ['no namespace', { namespace: '' }, ['metadata.namespace: Required value']],
  [
    'a label out of form',
    { labels: { 'a b': 'c' } },
    [
      `metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
    ],
  ],
  [
    'too many annotations',
    { annotations: { a: 'x'.repeat(256 * 1024) } },
    ['metadata.annotations: Too long: may not be more than 262144 bytes'],
  ],
  [
    'an owner without uid',
    { ownerReferences: [{ ...owner, uid: '' }] },
    ['metadata.ownerReferences.uid: Invalid value: "": must not be empty'],
  ],
  [
    'two controllers',
    {
      ownerReferences: [
        { ...owner, controller: true },
        { ...owner, name: 'q', controller: true },
      ],
    },
    [
      `metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u","controller":true},{"apiVersion":"v1","kind":"Pod","name":"q","uid":"u","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/q`,
    ],
  ],
  [
    'both ways of deletion',
    { finalizers: ['orphan', 'foregroundDeletion'] },
    ['metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set'],
  ],
  [
    'a finalizer of one word that means nothing',
    { finalizers: ['mine'] },
    ['metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'],
  ],
  [
    'a manager of unknown operation',
    { managedFields: [{ operation: 'Sing' }] },
    ['metadata.managedFields[0].operation: Invalid value: "Sing": must be `Apply` or `Update`'],
  ],
]

for (const [what, fields, expected] of refused)
  test(`validateObjectMeta refuses ${what}`, () => {
    assert.deepEqual(errorTexts(validateObjectMeta(namespaced, { name: 'x', namespace: 'default', ...fields })), expected)
  })

test('validateObjectMeta keeps namespaces off cluster objects', () => {
  assert.deepEqual(errorTexts(validateObjectMeta({ scope: 'Cluster' }, { name: 'x', namespace: 'default' })), [
    'metadata.namespace: Forbidden: not allowed on this type',
  ])
})

test('validateObjectMeta does not trip over keys every object inherits', () => {
  const labels = JSON.parse('{"constructor": "a", "toString": "b"}') as Record<string, string>
  assert.deepEqual(validateObjectMeta(namespaced, { name: 'x', namespace: 'default', labels }), [])
})

const previous = { name: 'x', namespace: 'default', uid: 'u', generation: 2, finalizers: ['a.io/b'] }
const updates: [string, Record<string, any>, Record<string, any>, string[]][] = [
  ['labels', {}, { labels: { a: 'b' } }, []],
  ['the uid', {}, { uid: 'v' }, ['metadata.uid: Invalid value: "v": field is immutable']],
  ['the generation downwards', {}, { generation: 1 }, ['metadata.generation: Invalid value: 1: must not be decremented']],
  ['a finalizer less while it is deleted', { deletionTimestamp: 't' }, { deletionTimestamp: 't', finalizers: [] }, []],
  [
    'a finalizer more while it is deleted',
    { deletionTimestamp: 't' },
    { deletionTimestamp: 't', finalizers: ['a.io/b', 'c.io/d'] },
    [
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c.io/d"}',
    ],
  ],
]

for (const [what, before, after, expected] of updates)
  test(`validateObjectMetaUpdate ${expected.length > 0 ? 'refuses' : 'accepts'} ${what}`, () => {
    assert.deepEqual(errorTexts(validateObjectMetaUpdate({ ...previous, ...after }, { ...previous, ...before })), expected)
  })

test('validateConditions wants a reason and a time', () => {
  assert.deepEqual(errorTexts(validateConditions([{ type: 'Ready', status: 'Maybe' }], 'status.conditions')), [
    'status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"',
    'status.conditions[0].lastTransitionTime: Required value: must be set',
    'status.conditions[0].reason: Required value: must be set',
  ])
})
