import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolume, PersistentVolumeClaim } from './generated/types.ts'
import { fitsClaim, isReservedFor, storageClassOf } from './volume-claims.ts'

const BETA = 'volume.beta.kubernetes.io/storage-class'
const claim: PersistentVolumeClaim = {
  metadata: { namespace: 'a', name: 'data', uid: 'u1' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: 'fast' },
}
const spec: PersistentVolume['spec'] = {
  accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
  capacity: { storage: '1024Mi' },
  storageClassName: 'fast',
}

test('storageClassOf tells none wanted from never chosen, and the annotation wins', () => {
  assert.equal(storageClassOf({ spec: {} }), undefined)
  assert.equal(storageClassOf({ spec: { storageClassName: '' } }), '')
  assert.equal(storageClassOf({ metadata: { annotations: { [BETA]: 'old' } }, spec: { storageClassName: 'new' } }), 'old')
})

test('isReservedFor wants name, namespace and, where it is known, the uid', () => {
  const reserved = (claimRef: object) => isReservedFor({ spec: { claimRef } }, claim)
  assert.equal(isReservedFor({ spec: {} }, claim), false)
  assert.equal(reserved({ namespace: 'a', name: 'data' }), true)
  assert.equal(reserved({ namespace: 'a', name: 'data', uid: 'u1' }), true)
  assert.equal(reserved({ namespace: 'a', name: 'data', uid: 'u0' }), false)
  assert.equal(reserved({ namespace: 'b', name: 'data' }), false)
})

const cases: [string, Partial<NonNullable<PersistentVolume['spec']>>, boolean][] = [
  ['a volume just large enough', {}, true],
  ['one too small', { capacity: { storage: '1023Mi' } }, false],
  ['one of another class', { storageClassName: 'slow' }, false],
  ['one that is a device', { volumeMode: 'Block' }, false],
  ['one that cannot be written', { accessModes: ['ReadOnlyMany'] }, false],
  ['one of another attributes class', { volumeAttributesClassName: 'gold' }, false],
]
test('fitsClaim compares class, mode, ways of access and size', () => {
  for (const [what, change, expected] of cases) assert.equal(fitsClaim({ spec: { ...spec, ...change } }, claim), expected, what)
})
