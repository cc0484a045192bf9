import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JSONSchemaProps } from '#api/generated/types.ts'
import { BudgetExceeded } from '#lib/cel/meter.ts'
import { AUTHORIZER, type Authorize, authorizerValue, RESOURCE_CHECK, requestResourceValue } from './authorizer-library.ts'
import { BOOL, CelError, celEnvironment, compileCel, DYN } from './environment.ts'
import { customType } from './object-types.ts'

const schema: JSONSchemaProps = {
  type: 'object',
  properties: {
    n: { type: 'integer' },
    s: { type: 'string' },
    l: { type: 'array', items: { type: 'integer' } },
    m: { type: 'object', additionalProperties: { type: 'string' } },
    'a-b': { type: 'boolean' },
    d: { type: 'string', format: 'date-time' },
    bytes: { type: 'string', format: 'byte' },
    ios: { 'x-kubernetes-int-or-string': true },
    nothing: { type: 'string', nullable: true },
  },
}
const environment = celEnvironment({ variables: { self: customType(schema)!, object: DYN }, bindings: true })
const variables = {
  self: {
    n: 5,
    s: 'hällo😀',
    l: [1, 2, 3],
    m: { x: 'y' },
    'a-b': true,
    d: '2024-01-02T03:04:05.5Z',
    bytes: 'aGk=',
    ios: '5%',
    nothing: null,
  },
  object: { a: { b: [1, 'x', { c: null, f: 2.5 }] }, ['__proto__']: { polluted: true } },
}

const values: [source: string, result: unknown][] = [
  ['self.n + 1', 6],
  ['1 + 2 * 3 - 4', 3],
  ['-5 % 3', -2],
  ['-9223372036854775808', -(2n ** 63n)],
  ['2u + 3u', 5],
  ['0xff', 255],
  ['self.n < 5.5 && 5.5 > self.n', true],
  ['1.0 == object.a.b[0]', true],
  ['object.a.b[2].f == 2.5', true],
  ['object.a.b[2].c == null', true],
  ['has(object.a.x) || has(object.a.b)', true],
  ['dyn(self.nothing) == null ? "none" : self.nothing', 'none'],
  ['self.a__dash__b', true],
  ['self.l.all(x, x > 0) && self.l.exists(x, x == 2) && self.l.exists_one(x, x == 3)', true],
  ['[1, 2, 3].map(x, x * 2).filter(x, x > 2).sum()', 10],
  ['self.l.map(x, x > 1, x)', [2, 3]],
  ['object.a.b.all(x, x == 1 || true)', true],
  ['1 / 0 > 0 || true', true],
  ['false && 1 / 0 > 0', false],
  ['self.m.x + self.m["x"]', 'yy'],
  ['self.s.size()', 6],
  ["string(1000000.0) + ' ' + string(0.00001) + ' ' + string(123456.5)", '1e+06 1e-05 123456.5'],
  ['self.s.charAt(5) + self.s.substring(1, 2) + string(self.s.indexOf("o"))', '😀ä4'],
  ['self.s.replace("l", "L", 1).upperAscii()', 'HäLLO😀'],
  ['"a,b,c".split(",", 2).join("-")', 'a-b,c'],
  ['"%s is %d, %.2f, %x".format([dyn("a"), 1, 2.5, 255])', 'a is 1, 2.50, ff'],
  ['self.d.getFullYear() + self.d.getMonth() + self.d.getDate("Pacific/Kiritimati")', 2026],
  ['string(timestamp("2024-01-01T00:00:00Z") + duration("1h30m"))', '2024-01-01T01:30:00Z'],
  ['duration("90s") > duration("1m") && string(duration("1.5s")) == "1.5s"', true],
  ['self.bytes == b"hi" && string(self.bytes) == "hi"', true],
  ['type(self.ios) == string ? self.ios.contains("%") : self.ios > 0', true],
  ['self.s.matches("^h.*o")', true],
  ['"abcab".findAll("a.?", 1)', ['ab']],
  ['"aaa".find("a+?")', 'a'],
  ['object.?foo.bar.orValue("z")', 'z'],
  ['object.a.?b[0].orValue(7)', 1],
  ['[1, ?object.?nothing, 2]', [1, 2]],
  ['optional.of(1).optMap(x, x + 1).value()', 2],
  ['cel.bind(x, self.n, x * x)', 25],
  ['{"a": 1}.transformMap(k, v, v + 1)', { a: 2 }],
  ['["x", "y"].transformList(i, v, v + string(i))', ['x0', 'y1']],
  ['{"a": 1, "b": 2}.transformMapEntry(k, v, {string(v): k})', { 1: 'a', 2: 'b' }],
  ['self.l.exists(i, v, i == v - 1)', true],
  ['sets.contains([1, 2], [2]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], [2])', true],
  ['self.l.isSorted() && self.l.max() == 3 && self.l.indexOf(2) == 1 && [1, 1].lastIndexOf(1) == 1', true],
  ['object.__proto__.polluted', true],
  ["r\"\\d\" + \"\\u00e9\" + '''a\"b'''", '\\déa"b'],
  ['// a comment\n1', 1],
  ['quantity("1.5Gi").add(quantity("512Mi")).isGreaterThan(quantity("1Gi")) && quantity("2k").asInteger() == 2000', true],
  ['isQuantity("1x") || quantity("1") != quantity("1000m") || quantity("-1").sub(1).sign() != -1', false],
  ['cidr("10.0.0.0/8").containsIP("10.1.2.3") && cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16")', true],
  ['string(cidr("10.1.2.3/8").masked()) + string(cidr("2001:DB8::1/32").masked().ip())', '10.0.0.0/82001:db8::'],
  [
    'ip("127.0.0.1").isLoopback() && ip("fe80::1").isLinkLocalUnicast() && ip("8.8.8.8").isGlobalUnicast() && ip("::1").family() == 6',
    true,
  ],
  ['isIP("::ffff:1.2.3.4") || isIP("1.2.3.04") || ip.isCanonical("2001:DB8::1")', false],
  ['url("https://a.b:80/c d?x=1&x=2").getHost() + url("https://a.b:80/").getPort() + url("/p?q").getEscapedPath()', 'a.b:8080/p'],
  ['url("http://h/?x=1&x=2").getQuery()["x"].join("+")', '1+2'],
  ['isURL("../x")', false],
  ['format.dns1123Label().validate("A").hasValue() && !format.named("labelValue").value().validate("a").hasValue()', true],
  ['format.named("nothing").hasValue()', false],
  ['semver("1.2.3-a.1").isLessThan(semver("1.2.3")) && semver("v1.2", true).minor() == 2 && !isSemver("1.2")', true],
]

test('compileCel gives what CEL gives', () => {
  for (const [source, result] of values) assert.deepEqual(compileCel(source, environment).evaluate(variables), result, source)
})

const failures: [source: string, message: string][] = [
  ['object.x', 'no such key: x'],
  ['self.m.z', 'no such key: z'],
  ['self.l[5]', 'index out of bounds: 5'],
  ['1 / 0', 'division by zero'],
  ['9223372036854775807 + self.n', 'integer overflow'],
  ['object.a + 1', 'no such overload: map, int'],
  ['[self.n, self.n].map(x, 1 / (x - x))', 'division by zero'],
  ['self.l.all(x, 1 / (x - x) > 0)', 'division by zero'],
]

test('CelProgram.evaluate says what failed', () => {
  for (const [source, message] of failures) {
    const program = compileCel(source, environment)
    assert.throws(() => program.evaluate(variables), { name: 'CelError', message }, source)
  }
})

const refusals: [source: string, message: string][] = [
  ['self.foo', "ERROR: <input>:1:5: undefined field 'foo'\n | self.foo\n | ....^"],
  ['foo(1)', "ERROR: <input>:1:4: undeclared reference to 'foo' (in container '')\n | foo(1)\n | ...^"],
  ['true &&\n bar', "ERROR: <input>:2:2: undeclared reference to 'bar' (in container '')\n |  bar\n | .^"],
  [
    'self.n == "a"',
    "ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(int, string)'\n | self.n == \"a\"\n | .......^",
  ],
  [
    'self.s.size(1)',
    "ERROR: <input>:1:12: found no matching overload for 'size' applied to 'string.(int)'\n | self.s.size(1)\n | ...........^",
  ],
  ['[1, "a"]', "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, \"a\"]\n | ....^"],
  ['self.n.foo', "ERROR: <input>:1:7: type 'int' does not support field selection\n | self.n.foo\n | ......^"],
  [
    'self.n.all(x, x)',
    "ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | self.n.all(x, x)\n | ....^",
  ],
  ['duration("1x")', 'ERROR: <input>:1:10: invalid duration argument\n | duration("1x")\n | .........^'],
  ['"a".matches("(")', 'ERROR: <input>:1:13: invalid matches argument\n | "a".matches("(")\n | ............^'],
  [
    '1 +',
    "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 +\n | ...^",
  ],
  ['1 $ 2', "ERROR: <input>:1:3: Syntax error: token recognition error at: '$'\n | 1 $ 2\n | ..^"],
]

test('compileCel refuses in the words of CEL', () => {
  for (const [source, message] of refusals)
    assert.throws(() => compileCel(source, environment), { name: 'CelError', message: `compilation failed: ${message}` }, source)
})

test('compileCel knows bindings only where they are asked for', () => {
  const plain = celEnvironment({ variables: {} })
  assert.throws(() => compileCel('cel.bind(x, 1, x)', plain), { message: /undeclared reference to 'cel' \(in container ''\)/ })
  assert.equal(compileCel('[1].map(bind, bind)[0]', plain).evaluate({}), 1)
})

test('compileCel asks for the type that is expected', () => {
  assert.throws(() => compileCel('1', environment, { expects: [BOOL] }), new CelError('must evaluate to bool'))
  assert.equal(compileCel('object.a', environment, { expects: [BOOL] }).type.kind, 'dyn')
})

test('authorizer in expressions asks whoever was injected', () => {
  const asked: unknown[] = []
  const authorize: Authorize = (question) => {
    asked.push(question)
    return { allowed: question.verb === 'get', reason: 'because' }
  }
  const asking = celEnvironment({ variables: { authorizer: AUTHORIZER, 'authorizer.requestResource': RESOURCE_CHECK } })
  const evaluate = (source: string) =>
    compileCel(source, asking).evaluate({
      authorizer: authorizerValue(authorize),
      'authorizer.requestResource': requestResourceValue(authorize, { group: 'apps', resource: 'deployments' }),
    })
  assert.equal(evaluate('authorizer.group("").resource("pods").namespace("a").check("get").allowed()'), true)
  assert.equal(evaluate('authorizer.serviceAccount("a", "b").path("/x").check("list").reason()'), 'because')
  assert.equal(evaluate('authorizer.requestResource.check("get").errored()'), false)
  assert.deepEqual(asked, [
    { group: '', resource: 'pods', namespace: 'a', verb: 'get' },
    { serviceAccount: { namespace: 'a', name: 'b' }, path: '/x', verb: 'list' },
    { group: 'apps', resource: 'deployments', verb: 'get' },
  ])
  const three = ['get', 'list', 'watch'].map((verb) => `authorizer.path("/x").check("${verb}").reason() == ""`).join(' || ')
  assert.throws(() => evaluate(three), BudgetExceeded)
})

test('CelProgram.evaluate stops what costs too much', () => {
  const list = Array.from({ length: 2000 }, (_, at) => at)
  const hostile = [
    'object.all(x, object.all(y, object.all(z, x + y + z >= 0)))',
    'object.map(x, object.map(y, string(x) + string(y)))',
    `cel.bind(a, "${'x'.repeat(100)}", ${'cel.bind(a, a + a, '.repeat(40)}a.size() > 0${')'.repeat(40)})`,
    `cel.bind(a, object, ${'cel.bind(a, a + a, '.repeat(40)}a == [1]${')'.repeat(40)}) || cel.bind(a, object, ${'cel.bind(a, a + a, '.repeat(40)}a.all(x, x >= 0)${')'.repeat(40)})`,
    'object.all(x, object == object.map(y, y))',
    'object.all(x, object.map(y, "aaaaaaaaaaaaaaaaaaaa").all(y, y.matches("(a*)*b")) || true)',
  ]
  for (const source of hostile) {
    const budget = { remaining: 10_000_000 }
    assert.throws(
      () => compileCel(source, environment).evaluate({ object: list }, { budget }),
      (error) => error instanceof BudgetExceeded && error.message === 'operation cancelled: actual cost limit exceeded',
      source,
    )
    assert.ok(budget.remaining < 10_000_000)
  }
})

test('compileCel survives sources made to hurt', () => {
  const hostile = [
    '('.repeat(100_000),
    '!'.repeat(99_999) + 'true',
    `${'['.repeat(300)}${']'.repeat(300)}`,
    'a.'.repeat(40_000) + 'a',
    '1' + '+1'.repeat(40_000),
    'x'.repeat(200_000),
    `"${'\\'.repeat(50_000)}`,
    `"a"${'.matches("a")'.repeat(300)}`,
    `optional.of(1)${'.optMap(x, x)'.repeat(240)}.b`,
    '{'.repeat(90_000),
    '\ud800',
  ]
  for (const source of hostile) assert.throws(() => compileCel(source, environment), CelError)
  assert.equal(compileCel(`true${' && true'.repeat(12_000)}`, environment).evaluate({}), true)
})
