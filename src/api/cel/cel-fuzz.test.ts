// Seeded noise against expressions and schemas with rules: whatever is written, it compiles or is refused, runs or fails, and does the same again.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { checkRules } from '#api/custom/rule-check.ts'
import { RuleTree } from '#api/custom/rule-tree.ts'
import { Validator } from '#api/custom/validate.ts'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import { schemaErrors } from '#api/kinds/apiextensions/crd-versions.ts'
import { checkRuleDefinitions } from '#api/kinds/apiextensions/rule-definitions.ts'
import { paced } from '#lib/paced.ts'
import { writeBigIntegers } from '#lib/exact-json.ts'
import { seededRandom } from '#lib/random.ts'
import { BudgetExceeded, CelError, type CelProgram, celEnvironment, compileCel, DYN } from './environment.ts'
import { customType } from './object-types.ts'
import { ResultTooLarge } from './to-json.ts'

const WORDS = [
  ...'self object self.n self.l self.s self.m oldSelf x y true false null 1 0 -1 2u 1.5 9223372036854775807 "a" "ä😀" b"x" r"\\" \'\'\'q\'\'\''.split(
    ' ',
  ),
  ...'+ - * / % == != < <= > >= && || ! ? : in . , ( ) [ ] { } .? [?'.split(' '),
  ...'.all(x, .exists(x, .exists_one(x, .map(x, .filter(x, .transformList(x,y, .transformMap(x,y, cel.bind(x, .optMap(x,'.split(' '),
  ...'size( has(self.n) type( dyn( string( int( double( duration( timestamp( quantity( ip( cidr( url( semver( format.named( sets.contains('.split(
    ' ',
  ),
  ...'.size() .matches( .find( .findAll( .split( .join( .replace( .contains( .startsWith( .substring( .format( .orValue( .value() .sum() .max() .indexOf('.split(
    ' ',
  ),
  ...'`a-b` .__proto__ .constructor __proto__ @result #unused $ \\ " \' // \n \t \ud800 0x 1e9 1e999'.split(' '),
]
const schema: JSONSchemaProps = {
  type: 'object',
  properties: {
    n: { type: 'integer' },
    s: { type: 'string' },
    l: { type: 'array', items: { type: 'integer' } },
    m: { type: 'object', additionalProperties: { 'x-kubernetes-int-or-string': true } },
  },
}
const VALUES: unknown[] = [{ n: 5, s: 'a😀b', l: [1, 2, 3], m: { a: 1, ['__proto__']: 'x' } }, { n: 'wrong', s: 7, l: {}, m: [] }, {}]

function fuzz(seed: number) {
  const random = seededRandom(seed)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random.float() * values.length)]!
  const soup = (length: number): string => Array.from({ length }, () => pick(WORDS)).join(random.float() < 0.5 ? '' : ' ')
  const good = [
    'self.l.all(x, x > 0 && self.s.size() < 10)',
    'has(self.m) ? self.m.map(k, string(self.m[k])).join(",") == "" : self.n + 1 > 2',
    'object.?a.b.orValue([1, 2].map(x, x * 2)) == [2, 4]',
    '"%s %d".format([dyn(self.s), self.n]).matches("^[a-z]+ \\\\d+$")',
  ]
  /** A good one with pieces cut, doubled or replaced. */
  const mutant = (): string => {
    let text = pick(good)
    for (let times = 1 + Math.floor(random.float() * 2); times > 0; times--) {
      const at = Math.floor(random.float() * text.length)
      const end = at + Math.floor(random.float() * 6)
      text =
        text.slice(0, at) +
        (random.float() < 0.3
          ? pick(WORDS)
          : random.float() < 0.5
            ? pick(['1', 'x', 'self.n', ' + 1', '"a"'])
            : text.slice(at, end).repeat(2)) +
        text.slice(end)
    }
    return text
  }
  return { random, pick, soup, mutant }
}

writeBigIntegers()

function outcome(program: CelProgram, variables: Record<string, unknown>): string {
  try {
    return JSON.stringify(program.evaluate(variables)) ?? 'undefined'
  } catch (error) {
    if (error instanceof CelError || error instanceof BudgetExceeded || error instanceof ResultTooLarge) return error.message
    throw error
  }
}

function tellLongest(t: TestContext, longest: number, what: string): void {
  t.diagnostic(`longest: ${longest.toFixed(1)} ms, ${what.slice(0, 200)}`)
}

test('compileCel and CelProgram survive random expressions, and say the same twice', (t) => {
  const { random, soup, mutant } = fuzz(1)
  const environment = celEnvironment({
    bindings: true,
    variables: { self: customType(schema)!, oldSelf: customType(schema)!, object: DYN, x: DYN },
  })
  let [longest, slowest, ran] = [0, '', 0]
  for (let round = 0; round < 4000; round++) {
    const source = random.float() < 0.5 ? mutant() : soup(1 + Math.floor(random.float() * 12))
    const began = performance.now()
    try {
      const program = compileCel(source, environment)
      ran++
      for (const self of VALUES) assert.equal(outcome(program, { self, object: self }), outcome(program, { self, object: self }), source)
    } catch (error) {
      if (!(error instanceof CelError)) throw new Error(`${JSON.stringify(source)} broke it`, { cause: error })
    }
    const took = performance.now() - began
    if (took > longest) [longest, slowest] = [took, source]
  }
  assert.ok(ran > 150, `${ran} compiled`)
  tellLongest(t, longest, slowest)
})

test('schemas with rules are judged, and judge, whatever they say', async (t) => {
  const { random, pick, soup, mutant } = fuzz(2)
  const types = ['object', 'object', 'object', 'string', 'integer', 'number', 'boolean']
  const strange = ['array', '', 'null', 'strange']
  const make = (depth: number): JSONSchemaProps => {
    const wild = random.float() < 0.3
    const made: Record<string, unknown> = { type: pick(random.float() < 0.02 ? strange : types) }
    const maybe = (field: string, value: () => unknown, chance = wild ? 0.08 : 0.004) => {
      if (random.float() < chance)
        Object.defineProperty(made, field, { value: value(), enumerable: true, configurable: true, writable: true })
    }
    const deeper = depth < 3 && made.type === 'object' ? 0.6 : 0
    maybe(
      'properties',
      () => ({
        n: make(depth + 1),
        ['a-b']: make(depth + 1),
        [pick(['metadata', 'kind', 'constructor', '__proto__', 's'])]: make(depth + 1),
      }),
      deeper,
    )
    maybe('items', () => (random.float() < 0.9 ? make(depth + 1) : [make(depth + 1)]))
    maybe('additionalProperties', () => (random.float() < 0.7 ? make(depth + 1) : random.float() < 0.5), deeper / 30)
    for (const field of ['allOf', 'anyOf', 'oneOf']) maybe(field, () => [make(depth + 2)], deeper / 30)
    maybe('not', () => make(depth + 2), deeper / 30)
    for (const field of ['maxItems', 'maxLength', 'maxProperties', 'minimum', 'maximum', 'multipleOf'])
      maybe(field, () => pick([0, 1, -1, 10, 1e9, 0.1]))
    for (const field of ['embedded-resource', 'int-or-string', 'preserve-unknown-fields'])
      maybe(`x-kubernetes-${field}`, () => random.float() < 0.8)
    maybe('x-kubernetes-list-type', () => pick(['map', 'set', 'atomic', 'odd']))
    maybe('x-kubernetes-list-map-keys', () => [pick(['n', 'none', '__proto__'])])
    maybe('x-kubernetes-map-type', () => pick(['granular', 'atomic', 'odd']))
    maybe('nullable', () => true)
    maybe('pattern', () => pick(['^a+$', '(', '(a*)*b', '\\pL', '(a{100}){100}']))
    maybe('format', () => pick(['date', 'date-time', 'byte', 'duration', 'ipv4', 'odd']))
    maybe('enum', () => ['a', 1, null, { b: [1] }])
    maybe('required', () => ['n', 'constructor'])
    maybe('default', () => pick([{}, { n: 1 }, [], 'x', 1, null, { metadata: 7 }]))
    maybe(
      'x-kubernetes-validations',
      () => [
        {
          rule: random.float() < 0.7 ? mutant() : soup(5),
          fieldPath: pick(['', '.n', "['a-b']", '.a..b', '[']),
          messageExpression: pick(['', '"a"', 'self']),
        },
      ],
      0.5,
    )
    return made as JSONSchemaProps
  }
  let [longest, slowest, judged] = [0, '', 0]
  for (let round = 0; round < 400; round++) {
    const root = { ...make(0), type: 'object' }
    const began = performance.now()
    const errors = await paced(schemaErrors(root, 's', false), 1e9)
    assert.deepEqual(await paced(schemaErrors(root, 's', false), 1e9), errors)
    if (!errors.some(({ message }) => message.includes('nested deeper'))) await paced(checkRuleDefinitions(root, 's'), 1e9)
    if (errors.length === 0) {
      judged++
      const validator = new Validator()
      for (const value of VALUES) {
        const found = validator.check(root, value, { path: '', previous: undefined })
        assert.deepEqual(new Validator().check(root, value, { path: '', previous: undefined }), found)
        assert.deepEqual(validator.check(root, value, { path: '', previous: value }), [])
        const tree = RuleTree.of(root)
        if (tree) await paced(checkRules(tree, value, { previous: VALUES[0] }), 1e9)
      }
    }
    const took = performance.now() - began
    if (took > longest) [longest, slowest] = [took, JSON.stringify(root)]
  }
  assert.ok(judged > 20, `${judged} schemas in order`)
  tellLongest(t, longest, slowest)
})
