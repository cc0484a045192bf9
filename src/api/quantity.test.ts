import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalQuantity, canonicalResource, isQuantity, Quantity, QuantityError, quantityMilliValue, quantityValue } from './quantity.ts'

const canonical: [string, string][] = [
  ['0', '0'],
  ['0Ki', '0'],
  ['0m', '0'],
  ['-0', '0'],
  ['1', '1'],
  ['1000m', '1'],
  ['1500m', '1500m'],
  ['1.5', '1500m'],
  ['0.5', '500m'],
  ['.5', '500m'],
  ['1.', '1.'],
  ['1.500', '1.500'],
  ['100m', '100m'],
  ['0.1', '100m'],
  ['1000', '1k'],
  ['1000000', '1M'],
  ['1024', '1024'],
  ['1024Ki', '1Mi'],
  ['1024Mi', '1Gi'],
  ['1Gi', '1Gi'],
  ['1536Mi', '1536Mi'],
  ['1.5Gi', '1536Mi'],
  ['0.5Ki', '512'],
  ['1e3', '1e3'],
  ['1E3', '1E3'],
  ['1000e3', '1e6'],
  ['1E', '1E'],
  ['12e-3', '12e-3'],
  ['1n', '1n'],
  ['0.1n', '1n'],
  ['-0.1n', '-1n'],
  ['1u', '1u'],
  ['1000u', '1m'],
  ['-1.5', '-1500m'],
  ['123456789123456789123456789', '123456789123456789123456789'],
  ['10Ei', String(9223372036854775807n)],
]

for (const [given, expected] of canonical)
  test(`canonicalQuantity writes ${given} as ${expected}`, () => assert.equal(canonicalQuantity(given), expected))

for (const [text, message] of [
  ['', /quantities must match/],
  ['abc', /quantities must match|numeric/],
  ['1.2.3', /quantities must match/],
  ['1ki', /suffix/],
  ['1 Gi', /quantities must match/],
  ['1e', /suffix/],
  ['1e100000000', /suffix/],
  ['1'.repeat(10_000), /quantities must match/],
] as const) {
  test(`Quantity.parse refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
    assert.throws(
      () => Quantity.parse(text),
      (error) => error instanceof QuantityError && message.test(error.message),
    )
    assert.equal(isQuantity(text), false)
  })
}

test('canonicalResource rounds up to thousandths', () => {
  assert.equal(canonicalResource('0.0001'), '1m')
  assert.equal(canonicalResource('100n'), '1m')
  assert.equal(canonicalResource(2), '2')
})

test('Quantity compares, adds and subtracts exactly across suffixes', () => {
  const [gi, g] = [Quantity.parse('1Gi'), Quantity.parse('1G')]
  assert.equal(gi.compare(g), 1)
  assert.equal(g.compare(gi), -1)
  assert.equal(Quantity.parse('1000m').compare(Quantity.parse('1')), 0)
  assert.equal(gi.add(Quantity.parse('1Gi')).toString(), '2Gi')
  assert.equal(Quantity.parse('0').add(gi).toString(), '1Gi')
  assert.equal(Quantity.parse('100m').add(Quantity.parse('200m')).toString(), '300m')
  assert.equal(Quantity.parse('1').sub(Quantity.parse('1500m')).toString(), '-500m')
})

test('quantityValue and quantityMilliValue round away from zero', () => {
  assert.equal(quantityValue('1500m'), 2)
  assert.equal(quantityValue('1Gi'), 1073741824)
  assert.equal(quantityMilliValue('0.5'), 500)
  assert.equal(quantityMilliValue('1u'), 1)
  assert.equal(quantityMilliValue('-1u'), -1)
  assert.equal(quantityValue(undefined), 0)
})

test('canonicalQuantity, canonicalResource and quantityValue take no short cut that leads elsewhere', () => {
  for (const unit of ['', 'm', 'Ki', 'Mi', 'Gi'])
    for (const digits of [
      0, 1, 7, 10, 64, 100, 128, 999, 1000, 1001, 1024, 1025, 1500, 2048, 5000, 65536, 999_999, 1_000_001, 123_456_789, 999_999_999,
    ]) {
      const text = `${digits}${unit}`
      const parsed = Quantity.parse(text)
      assert.equal(canonicalQuantity(text), parsed.toString(), text)
      assert.equal(canonicalResource(text), parsed.roundUpToMilli().toString(), text)
      assert.equal(quantityValue(text), parsed.value(), text)
    }
})
