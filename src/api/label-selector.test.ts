import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatLabelSelector, matchesLabels, parseLabelSelector, type Selector, selectorOf } from './label-selector.ts'
import { hasReason } from './status.ts'

const matching: [string, Record<string, string>, boolean][] = [
  ['', { a: 'b' }, true],
  ['a=b', { a: 'b' }, true],
  ['a==b,c!=d', { a: 'b' }, true],
  ['a==b,c!=d', { a: 'b', c: 'd' }, false],
  ['a in (b,c)', { a: 'c' }, true],
  ['a in ()', {}, false],
  ['a notin (b)', {}, true],
  ['a notin (b)', { a: 'b' }, false],
  ['a', { a: '' }, true],
  ['!a', { a: '' }, false],
  ['! a , b', { b: '1' }, true],
  ['a=', { a: '' }, true],
  ['a in (,b)', { a: '' }, true],
  ['in=notin', { in: 'notin' }, true],
  ['n>5', { n: '10' }, true],
  ['n<5', { n: '10' }, false],
  ['n>5', { n: 'x' }, false],
  ['app.kubernetes.io/name=web', { 'app.kubernetes.io/name': 'web' }, true],
  ['__proto__', {}, false],
]
for (const [text, labels, expected] of matching) {
  test(`parseLabelSelector '${text}' against ${JSON.stringify(labels)}`, () => {
    if (text === 'a in ()' || text === '__proto__')
      assert.throws(
        () => parseLabelSelector(text),
        (error) => hasReason(error, 'BadRequest'),
      )
    else assert.equal(matchesLabels(parseLabelSelector(text), labels), expected)
  })
}

const refused: [string, RegExp][] = [
  ['a=b=c', /^found '=', expected: ',' or 'end of string'$/],
  ['a=b,', /^found '', expected: identifier after ','$/],
  ['=a', /^found '=', expected: !, identifier, or 'end of string'$/],
  ['a b', /^unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt$/],
  ['a in b', /^unable to parse requirement: found 'b' expected: '\('$/],
  ['a in (b', /^unable to parse requirement: found '', expected: ',' or '\)'$/],
  ['a>x', /the value must be an integer$/],
  ['a=b/c', /^unable to parse requirement: values\[0\]\[a\]: Invalid value: "b\/c": a valid label must be/],
  ['-a=b', /^unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of/],
]
for (const [text, message] of refused) {
  test(`parseLabelSelector refuses '${text}'`, () =>
    assert.throws(
      () => parseLabelSelector(text),
      (error) => hasReason(error, 'BadRequest') && message.test(error.message),
    ))
}

test('formatLabelSelector round-trips', () => {
  for (const text of ['a=b,c!=d,e in (f,g),h notin (i),j,!k', 'a>1,b<2', '']) {
    assert.equal(formatLabelSelector(parseLabelSelector(text)), text)
  }
})

test('selectorOf takes LabelSelector objects', () => {
  assert.equal(matchesLabels(selectorOf(undefined), { a: 'b' }), false)
  assert.equal(matchesLabels(selectorOf({}), { a: 'b' }), true)
  const selector = selectorOf({ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'DoesNotExist' }] })
  assert.equal(matchesLabels(selector, { a: 'b' }), true)
  assert.equal(matchesLabels(selector, { a: 'b', c: '' }), false)
  assert.throws(() => selectorOf({ matchExpressions: [{ key: 'c', operator: 'Frob' }] }), /"Frob" is not a valid label selector operator/)
})

test('matchesLabels finds a value among many, in whatever order they were given', () => {
  const values = Array.from({ length: 1000 }, (_, i) => `v${(i * 7919) % 1000}`)
  const [among, outside] = [`a in (${values})`, `a notin (${values})`].map(parseLabelSelector) as [Selector, Selector]
  for (const value of [...values, 'v', 'v1000', 'a', 'z', 'v999x', '']) {
    assert.equal(matchesLabels(among, { a: value }), values.includes(value), value)
    assert.equal(matchesLabels(outside, { a: value }), !values.includes(value), value)
  }
})
