import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkFieldSelector, matchesFields, parseFieldSelector, requiredValue } from './field-selector.ts'

const kind = { fields: { 'status.phase': (object: any) => object.status?.phase ?? '' } }
const object = { metadata: { name: 'a', namespace: 'n' }, status: { phase: 'Run,n=ing\\' } }

const matching: [string, boolean][] = [
  ['', true],
  ['metadata.name=a', true],
  ['metadata.name==a,metadata.namespace!=n', false],
  ['metadata.name!=b', true],
  ['status.phase=Run\\,n\\=ing\\\\', true],
  ['status.phase=Run', false],
  ['metadata.name=', false],
]
for (const [text, expected] of matching) {
  test(`matchesFields '${text}'`, () => assert.equal(matchesFields(kind, parseFieldSelector(text), object), expected))
}

test('parseFieldSelector refuses what upstream refuses', () => {
  assert.throws(() => parseFieldSelector('foo'), /^StatusError: invalid selector: 'foo'; can't understand 'foo'$/)
  assert.throws(() => parseFieldSelector('a=b=c'), /unescaped character in value: =/)
  assert.throws(() => parseFieldSelector('a=b\\c'), /invalid escape sequence: \\c/)
})

test('checkFieldSelector refuses fields of no kind', () => {
  checkFieldSelector(kind, parseFieldSelector('status.phase=x,metadata.name=y'))
  assert.throws(() => checkFieldSelector(kind, parseFieldSelector('spec.x=y')), /^StatusError: field label not supported: spec.x$/)
  assert.throws(
    () => checkFieldSelector({}, parseFieldSelector('spec.x=y')),
    /"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"/,
  )
  assert.throws(() => checkFieldSelector(kind, parseFieldSelector('__proto__=y')), /not supported/)
})

test('requiredValue takes the value a field must have, unescaped', () => {
  const selector = parseFieldSelector('metadata.name!=b,status.phase=a\\,b\\=c\\\\')
  assert.equal(requiredValue(selector, 'status.phase'), 'a,b=c\\')
  assert.equal(requiredValue(selector, 'metadata.name'), undefined)
})
