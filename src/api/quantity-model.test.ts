// Quantities against exact fractions: what is read, added, compared and written is what the text says, up to the nano that upstream rounds at.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#lib/random.ts'
import { canonicalQuantity, isQuantity, Quantity } from './quantity.ts'

interface Fraction {
  over: bigint
  under: bigint
}

const POWERS: Record<string, [base: bigint, exponent: number]> = Object.fromEntries([
  ...['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'].map((suffix, index) => [suffix, [1000n, index - 3]]),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((suffix, index) => [suffix, [1024n, index + 1]]),
])

function fractionOf(text: string): Fraction {
  const [, sign, whole = '', point = '', suffix = ''] = /^([+-]?)(\d*)(?:\.(\d*))?(.*)$/.exec(text)!
  const [base, exponent] = POWERS[suffix] ?? [10n, Number(suffix.slice(1))]
  const factor = base ** BigInt(Math.abs(exponent))
  const digits = BigInt(whole + point) * (sign === '-' ? -1n : 1n)
  const under = 10n ** BigInt(point.length)
  return exponent < 0 ? { over: digits, under: under * factor } : { over: digits * factor, under }
}

/** Away from zero, to a whole number of `parts` in one. */
function roundedTo({ over, under }: Fraction, parts: bigint): bigint {
  const scaled = over * parts
  const whole = scaled / under
  return whole * under === scaled ? whole : whole + (over < 0n ? -1n : 1n)
}

const NANO = 10n ** 9n
const nanosOf = (text: string) => roundedTo(fractionOf(text), NANO)

function texts(count: number, seed: number): string[] {
  const random = seededRandom(seed)
  const below = (limit: number) => Math.floor(random.float() * limit)
  const digits = (most: number) => Array.from({ length: below(most + 1) }, () => (random.float() < 0.4 ? '0' : String(below(10)))).join('')
  const suffixes = [...Object.keys(POWERS), 'e3', 'E-3', 'e+2', 'e0']
  return Array.from({ length: count }, () => {
    const number = `${digits(5)}${random.float() < 0.5 ? `.${digits(6)}` : ''}`
    const sound = /\d/.test(number) ? number : `0${number}`
    return `${['', '', '', '+', '-'][below(5)]}${sound}${suffixes[below(suffixes.length)]}`
  }).filter((text) => nanosOf(text.replace('-', '')) < 2n ** 63n * NANO)
}

test('Quantity reads, writes and rounds exactly what is written', () => {
  for (const text of texts(20_000, 1)) {
    assert.ok(isQuantity(text), text)
    const quantity = Quantity.parse(text)
    assert.equal(quantity.nanos, nanosOf(text), text)
    const canonical = canonicalQuantity(text)
    assert.equal(nanosOf(canonical), quantity.nanos, `${text} became ${canonical}`)
    assert.equal(canonicalQuantity(canonical), canonical, text)
    assert.equal(quantity.value(), Number(roundedTo({ over: quantity.nanos, under: NANO }, 1n)), text)
    assert.equal(quantity.milliValue(), Number(roundedTo({ over: quantity.nanos, under: NANO }, 1000n)), text)
  }
})

test('Quantity adds, subtracts and compares without losing anything', () => {
  const all = texts(20_000, 2)
  for (let index = 1; index < all.length; index++) {
    const [left, right] = [all[index - 1]!, all[index]!]
    const [a, b] = [Quantity.parse(left), Quantity.parse(right)]
    const told = `${left} and ${right}`
    assert.equal(a.compare(b), nanosOf(left) < nanosOf(right) ? -1 : nanosOf(left) > nanosOf(right) ? 1 : 0, told)
    assert.equal(nanosOf(a.add(b).toString()), nanosOf(left) + nanosOf(right), told)
    assert.equal(nanosOf(a.sub(b).toString()), nanosOf(left) - nanosOf(right), told)
    assert.equal(a.sub(a).toString(), '0', told)
  }
})
