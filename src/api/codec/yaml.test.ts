import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseYaml, warningsIn, YamlError } from './yaml.ts'

// What kubectl makes of the same scalars.
for (const [text, value] of [
  ['yes', true],
  ['on', true],
  ['n', false],
  ['Off', false],
  ['TRUE', true],
  ['tRue', 'tRue'],
  ['0777', 511],
  ['0o17', 15],
  ['08', 8],
  ['0123.5', 123.5],
  ['0x1F', 31],
  ['0b11', 3],
  ['-0b11', -3],
  ['+5', 5],
  ['1_000', 1000],
  ['1__0', 10],
  ['1:30', '1:30'],
  ['2001-01-01', '2001-01-01'],
  ['2001-01-01T00:00:00Z', '2001-01-01T00:00:00Z'],
  ['1.0', 1],
  ['1e3', 1000],
  ['1.e1', 10],
  ['.5', 0.5],
  ['5.', 5],
  ['~', null],
  ['Null', null],
  ['=', '='],
  ['"q"', 'q'],
  ['!!str 5', '5'],
  ['!!binary aGVsbG8=', 'hello'],
  ['1e400', '1e400'],
  ['-1e400', '-1e400'],
  ['-.nan', '-.nan'],
  ['!own 1', '1'],
  ['!own {x: yes}', { x: true }],
  ['!own [1]', [1]],
  ['!!set {a, b}', { a: null, b: null }],
  ['!!float 0x10', 16],
] as const) {
  test(`parseYaml reads ${text} as ${JSON.stringify(value)}`, () => assert.deepEqual(parseYaml(`a: ${text}\n`), { value: { a: value } }))
}

test('parseYaml makes strings of keys', () => {
  assert.deepEqual(parseYaml('1: a\n1.5: b\ny: c\nn: d\n').value, { 1: 'a', 1.5: 'b', true: 'c', false: 'd' })
})

test('parseYaml merges, and copies aliases out', () => {
  const { value } = parseYaml('c: &m {q: 1, w: 2}\nd:\n  <<: *m\n  q: 3\ne: *m\n') as { value: Record<string, unknown> }
  assert.deepEqual(value, { c: { q: 1, w: 2 }, d: { q: 3, w: 2 }, e: { q: 1, w: 2 } })
  assert.notEqual(value.c, value.e)
})

test('parseYaml reads the first document', () => {
  assert.deepEqual(parseYaml('---\na: 1\n---\nb: 2\n').value, { a: 1 })
  assert.equal(parseYaml('').value, null)
})

test('parseYaml tells duplicates and keeps the last', () => {
  assert.deepEqual(parseYaml('a: 1\nb: {c: 1, "c": 2}\n'), {
    value: { a: 1, b: { c: 2 } },
    duplicates: 'yaml: unmarshal errors:\n  line 2: key "c" already set in map',
  })
})

test('parseYaml refuses what has no JSON form, bombs and broken text', () => {
  assert.throws(() => parseYaml('a: .inf'), new YamlError('json: unsupported value: +Inf'))
  assert.throws(() => parseYaml('a: [1'), YamlError)
  assert.throws(() => parseYaml('a: !!int b'), new YamlError('yaml: cannot decode !!str `b` as a !!int'))
  assert.throws(() => parseYaml('a: !!int 1.5'), new YamlError('yaml: cannot decode !!float `1.5` as a !!int'))
  assert.throws(() => parseYaml('a: !!float yes'), new YamlError('yaml: cannot decode !!bool `yes` as a !!float'))
  assert.throws(() => parseYaml('a: !!binary x!'), new YamlError('yaml: !!binary value contains invalid base64 data'))
  assert.throws(() => parseYaml('# first\n%YAML 1.2\n---\na: 1'), new YamlError('yaml: found incompatible YAML document'))
  assert.deepEqual(parseYaml('%YAML 1.1\n---\na: 1').value, { a: 1 })
  assert.throws(() => parseYaml('a: *b'), YamlError)
  const layers = 'abcdefgh'.split('').map((name, index, all) => `${name}: &${name} [${Array(10).fill(index ? `*${all[index - 1]}` : 'x')}]`)
  assert.throws(() => parseYaml(layers.join('\n')), new YamlError('yaml: document contains excessive aliasing'))
})

for (const [text, why] of [
  ['a: @x', 'found character that cannot start any token'],
  ['x: 1\ny: `a`', 'line 2: found character that cannot start any token'],
  ['- %x', 'found character that cannot start any token'],
  ['x: 1\ny: - a', 'line 2: block sequence entries are not allowed in this context'],
  ['a: ? b', 'mapping keys are not allowed in this context'],
  ['a: ]', 'did not find expected node content'],
  ['x: 1\ny: ]', 'line 1: did not find expected node content'],
  ['a: b: c', 'mapping values are not allowed in this context'],
] as const)
  test(`parseYaml refuses ${JSON.stringify(text)} as go-yaml does`, () =>
    assert.throws(() => parseYaml(text), new YamlError(`yaml: ${why}`)))

test('parseYaml leaves prototypes alone', () => {
  const { value } = parseYaml('__proto__: {polluted: 1}\np: &p {__proto__: 2}\nq: *p\n') as { value: object }
  assert.equal(JSON.stringify(value), '{"__proto__":{"polluted":1},"p":{"__proto__":2},"q":{"__proto__":2}}')
  assert.equal((value as { polluted?: number }).polluted, undefined)
})

test('parseYaml refuses anchors that contain themselves, and aliases that nest without end', () => {
  assert.throws(() => parseYaml('a: &a [*a]'), new YamlError("yaml: anchor 'a' value contains itself"))
  assert.throws(() => parseYaml('x: &b {y: {z: *b}}'), new YamlError("yaml: anchor 'b' value contains itself"))
  const chain = Array.from({ length: 9000 }, (_, index) => `a${index}: &a${index} [${index ? `*a${index - 1}` : 'x'}]`)
  assert.throws(() => parseYaml(chain.join('\n')), YamlError)
})

const REPEATS: [text: string, told: string[]][] = [
  ['a: 1\na: 2\na: 3\n', ['line 2: key "a" already set in map', 'line 3: key "a" already set in map']],
  ['a: {x: 1, "x": 2}\nb: 1\na:\n  - 1\n', ['line 1: key "x" already set in map', 'line 4: key "a" already set in map']],
  ['1: a\n1: b\n"1": c\ntrue: d\nyes: e\n', ['line 2: key 1 already set in map', 'line 5: key true already set in map']],
  ['a: 1\na:\n  b: 1\n  b: 2\n', ['line 4: key "b" already set in map', 'line 3: key "a" already set in map']],
  ['# first\n\na: 1\na: |\n  text\n', ['line 4: key "a" already set in map']],
  ['- a: 1\n  a:\n', ['line 2: key "a" already set in map']],
  ['a: 1\na: !!str\n', ['line 2: key "a" already set in map']],
  ['a: &x {b: 1}\na: *x\n---\nc: 1\nc: 1\n', ['line 2: key "a" already set in map']],
  [`${'k: 1\n'.repeat(500)}`, Array.from({ length: 100 }, (_, at) => `line ${at + 2}: key "k" already set in map`)],
]

for (const [text, told] of REPEATS)
  test(`parseYaml tells every key that is set again: ${JSON.stringify(text).slice(0, 40)}`, () => {
    assert.equal(parseYaml(text).duplicates, `yaml: unmarshal errors:\n  ${told.join('\n  ')}`)
    assert.deepEqual(warningsIn(parseYaml(text).duplicates!), told)
  })

/** As go-yaml takes them: brackets may go on and close wherever they like. */
const FLOWS: [text: string, value: unknown][] = [
  ['args: [\n"a",\n"b"\n]\nc: d\n', { args: ['a', 'b'], c: 'd' }],
  ['x:\n  a: {\n  b: c, # ] }\n  d: [e,\n  "f ] g"]\n  }\n  h: i\n', { x: { a: { b: 'c', d: ['e', 'f ] g'] }, h: 'i' } }],
  ['- a: [\n  b\n  ]\n- c: [\nd\n]\n', [{ a: ['b'] }, { c: ['d'] }]],
  ["text: |\n  [ not a list\nlist: [\n'it''s'\n]\n", { text: '[ not a list\n', list: ["it's"] }],
  ['a: ["one\ntwo",\nthree\nfour]\n', { a: ['one two', 'three four'] }],
  ['a: [\nb\n]\na: [\nc\n]\n', { a: ['c'] }],
]

for (const [text, value] of FLOWS)
  test(`parseYaml takes brackets that close further out: ${JSON.stringify(text)}`, () => assert.deepEqual(parseYaml(text).value, value))
