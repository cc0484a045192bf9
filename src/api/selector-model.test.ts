// Selectors against the plainest reading of them: random requirements written out as text, and a few lines that say what each means.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '#lib/random.ts'
import { matchesFields, parseFieldSelector } from './field-selector.ts'
import { formatLabelSelector, matchesLabels, parseLabelSelector, selectorOf } from './label-selector.ts'

const KEYS = ['a', 'b.example.com/c', 'constructor', 'in', 'notin', 'exists', 'toString', '1']
const VALUES = ['', 'x', 'y-1', 'in', 'true', '5', '10', '3', 'valueOf']

type Labels = Record<string, string>
interface Need {
  key: string
  operator: string
  values: string[]
}

function dice(seed: number) {
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random.float() * from.length)]!
  const some = <T>(from: readonly T[]): T[] => from.filter(() => random.float() < 0.4)
  const labels = (): Labels => Object.fromEntries(some(KEYS).map((key) => [key, pick(VALUES)]))
  return { random, pick, some, labels }
}

function holds({ key, operator, values }: Need, labels: Labels): boolean {
  const there = Object.keys(labels).includes(key)
  const value = there ? labels[key]! : undefined
  switch (operator) {
    case 'exists':
      return there
    case '!':
      return !there
    case 'in':
    case '=':
    case '==':
      return there && values.includes(value!)
    case 'notin':
    case '!=':
      return !there || !values.includes(value!)
    default:
      return there && /^-?\d+$/.test(value!) && (operator === '>' ? Number(value) > Number(values[0]) : Number(value) < Number(values[0]))
  }
}

function written({ key, operator, values }: Need, space: () => string): string {
  if (operator === 'exists') return key
  if (operator === '!') return `!${space()}${key}`
  if (operator === 'in' || operator === 'notin') return `${key} ${operator} (${values.join(`${space()},${space()}`)})`
  return `${key}${space()}${operator}${space()}${values[0]}`
}

test('parseLabelSelector means what each requirement says, and is written out again with the same meaning', () => {
  const { random, pick, some, labels } = dice(1)
  for (let round = 0; round < 3000; round++) {
    const needs = Array.from({ length: Math.floor(random.float() * 4) }, (): Need => {
      const operator = pick(['exists', '!', 'in', 'notin', '=', '==', '!=', '>', '<'])
      const numbers = operator === '>' || operator === '<'
      const values = numbers ? [pick(['5', '0', '3', '11'])] : operator.endsWith('in') ? ['x', ...some(VALUES)] : [pick(VALUES)]
      // The empty value alone cannot be written: `in ()` is refused.
      return { key: pick(KEYS), operator, values }
    })
    const text = needs.map((need) => written(need, () => pick(['', '', ' ', '\t']))).join(pick([',', ' , ']))
    const selector = parseLabelSelector(text)
    const again = parseLabelSelector(formatLabelSelector(selector))
    for (let times = 0; times < 6; times++) {
      const given = labels()
      const expected = needs.every((need) => holds(need, given))
      assert.equal(matchesLabels(selector, given), expected, `${text} of ${JSON.stringify(given)}`)
      assert.equal(matchesLabels(again, given), expected, `${formatLabelSelector(selector)} of ${JSON.stringify(given)}, from ${text}`)
    }
  }
})

test('selectorOf means what each expression says', () => {
  const { random, pick, some, labels } = dice(2)
  const operators = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' } as const
  for (let round = 0; round < 3000; round++) {
    const matchLabels = random.float() < 0.5 ? labels() : {}
    const matchExpressions = Array.from({ length: Math.floor(random.float() * 3) }, () => {
      const operator = pick(Object.keys(operators) as (keyof typeof operators)[])
      return { key: pick(KEYS), operator, ...(operator.endsWith('In') ? { values: [pick(VALUES), ...some(VALUES)] } : {}) }
    })
    const needs: Need[] = [
      ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: '=', values: [value] })),
      ...matchExpressions.map(({ key, operator, values = [] }) => ({ key, operator: operators[operator], values })),
    ]
    const selector = selectorOf({ matchLabels, matchExpressions })
    for (let times = 0; times < 6; times++) {
      const given = random.float() < 0.5 ? { ...labels(), ...matchLabels } : labels()
      assert.equal(
        matchesLabels(selector, given),
        needs.every((need) => holds(need, given)),
        JSON.stringify([needs, given]),
      )
    }
  }
})

test('parseFieldSelector means what each term says, whatever is escaped', () => {
  const { random, pick } = dice(3)
  const values = ['', 'a', 'a,b', 'x=y', '\\', 'é\\,=', '!', ' a ']
  const kind = { fields: { 'spec.x': (object: any) => object.x as string, 'spec.y': (object: any) => object.y as string } }
  const escaped = (value: string) => value.replace(/[\\,=]/g, (character) => `\\${character}`)
  for (let round = 0; round < 3000; round++) {
    const terms = Array.from({ length: Math.floor(random.float() * 4) }, () => ({
      field: pick(['x', 'y']),
      operator: pick(['=', '==', '!=']),
      value: pick(values),
    }))
    const text = terms.map(({ field, operator, value }) => `spec.${field}${operator}${escaped(value)}`).join(',')
    const object = { x: pick(values), y: pick(values) }
    const expected = terms.every(({ field, operator, value }) => (object[field as 'x'] === value) === (operator !== '!='))
    assert.equal(matchesFields(kind, parseFieldSelector(text), object as object), expected, `${text} of ${JSON.stringify(object)}`)
  }
})
