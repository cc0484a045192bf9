import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareElements, formatPath, keyElement, valueElement } from './path-element.ts'

test('formatPath prints as clients know it', () => {
  assert.equal(
    formatPath(['f:spec', 'f:ports', 'k:{"containerPort":80,"protocol":"TCP"}', 'f:name']),
    '.spec.ports[containerPort=80,protocol="TCP"].name',
  )
  assert.equal(formatPath(['f:metadata', 'f:finalizers', 'v:"a"']), '.metadata.finalizers[="a"]')
  assert.equal(formatPath(['f:spec', 'f:list', 'i:3']), '.spec.list[3]')
})

test('compareElements orders as upstream stores them', () => {
  const ordered = [
    '.',
    'f:a',
    'f:b',
    'k:{"port":1}',
    'k:{"port":1,"protocol":"TCP"}',
    'k:{"port":80,"protocol":"TCP"}',
    'k:{"port":80,"protocol":"UDP"}',
    'k:{"port":443,"protocol":"TCP"}',
    'k:{"port":"a"}',
    'k:{"port":"a!"}',
    'v:1.5',
    'v:5',
    'v:11',
    'v:"11"',
    'v:"5"',
    'v:false',
    'v:true',
    'i:2',
    'i:10',
  ]
  assert.deepEqual(ordered.toReversed().sort(compareElements), ordered)
})

test('valueElement and keyElement spell text as Go does', () => {
  assert.equal(valueElement('<a> & "b"'), 'v:"\\u003ca\\u003e \\u0026 \\"b\\""')
  assert.equal(keyElement({ z: '<', a: 1 }), 'k:{"a":1,"z":"\\u003c"}')
  assert.equal(keyElement({ z: '<' }), 'k:{"z":"\\u003c"}')
})
