// Every function of every library of Kubernetes v1.36 beyond CEL's own, each overload of it, with what upstream says.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Overload } from '#lib/cel/functions.ts'
import { AUTHORIZER, authorizerValue } from './authorizer-library.ts'
import { celEnvironment, compileCel, DYN } from './environment.ts'

const environment = celEnvironment({ variables: { authorizer: AUTHORIZER, any: DYN } })

/** Overloads that no expression below has called. */
const uncalled = new Map<Overload, string>()
for (const [name, overloads] of environment.functions)
  for (const overload of overloads as (Overload & { handler: unknown })[]) {
    const shown = `${overload.method ? `${overload.args[0]}.` : ''}${name}(${overload.args.slice(overload.method ? 1 : 0).join(', ')})`
    uncalled.set(overload, shown)
    const { handler } = overload
    Object.assign(overload, {
      handler: (...args: Parameters<typeof handler>) => {
        uncalled.delete(overload)
        return handler(...args)
      },
    })
  }

/** CEL's own: operators, conversions, times and what all of its programs have. */
const STANDARD =
  /^(?:.*\.)?(?:_.*|-_|!_|@.*|size|optional\.(?:of|none|ofNonZeroValue)|hasValue|value|or|orValue|cel\.@mapInsert|bool|int|uint|double|bytes|timestamp|duration|dyn|type|get(?:FullYear|Month|Date|DayOf(?:Month|Week|Year)|Hours|Minutes|Seconds|Milliseconds))\(/

const ASK = "authorizer.group('apps').resource('deployments')"
const ofLists = ['[1, 2]', '[1u, 2u]', '[1.0, 2.0]', '[false, true]', "['a', 'b']", "[b'a', b'b']"].flatMap((list): [string, unknown][] => [
  [`${list}.isSorted()`, true],
  [`${list}.min() == ${list}[0]`, true],
  [`${list}.max() == ${list}[1]`, true],
  [`[${list}[1], ${list}[0]].isSorted()`, false],
])
const ofTimes = ["[duration('1s'), duration('2s')]", "[timestamp('2011-01-01T00:00:00Z'), timestamp('2012-01-01T00:00:00Z')]"].flatMap(
  (list): [string, unknown][] => [
    [`${list}.isSorted()`, true],
    [`${list}.min() == ${list}[0]`, true],
    [`${list}.max() == ${list}[1]`, true],
  ],
)

const RESULTS: [source: string, result: unknown][] = [
  ...ofLists,
  ...ofTimes,
  ['[1, 2].sum()', 3],
  ['[1u, 2u].sum() == 3u', true],
  ['[1.5, 2.0].sum()', 3.5],
  ["[duration('1s'), duration('2m')].sum() == duration('121s')", true],
  ['[1].filter(x, x > 1).sum()', 0],
  ["['a', 'b', 'a'].indexOf('a') == 0 && ['a', 'b', 'a'].lastIndexOf('a') == 2 && [1].indexOf(2) == -1", true],
  ["['a', 'b'].first().value() + ['a', 'b'].last().value()", 'ab'],
  ['[1].filter(x, x > 1).first().hasValue() || [1].filter(x, x > 1).last().hasValue()', false],
  ["optional.unwrap([optional.of('a'), optional.none(), optional.of('b')])", ['a', 'b']],
  ['[optional.of(1), optional.none()].unwrapOpt()', [1]],
  ['sets.contains([dyn(1), 2], [dyn(2), 2.0, 2u]) && !sets.contains([1], [1, 2]) && sets.contains([1], [])', true],
  ['sets.equivalent([dyn(1), 2], [dyn(2u), 1.0, 1]) && !sets.equivalent([1], [1, 2])', true],
  ['sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [2]) && !sets.intersects([], [])', true],
  ["'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')", true],
  ["'hello'.charAt(4) + 'hello'.charAt(5)", 'o'],
  [
    "['hello mellow'.indexOf('ello'), 'hello mellow'.indexOf('ello', 2), 'hello mellow'.indexOf('jello'), 'hello'.indexOf('')]",
    [1, 7, -1, 0],
  ],
  ["['hello mellow'.lastIndexOf('ello'), 'hello mellow'.lastIndexOf('ello', 6), 'hello'.lastIndexOf('')]", [7, 1, 5]],
  ["'TacoCÆt'.lowerAscii() + 'TacoCÆt'.upperAscii()", 'tacocÆtTACOCÆT'],
  ["'hello hello'.replace('he', 'we') + 'hello hello'.replace('he', 'we', 1) + 'ab'.replace('', '-')", 'wello wellowello hello-a-b-'],
  ["'a b c'.split(' ', 2) + 'a b'.split(' ') + 'ab'.split('')", ['a', 'b c', 'a', 'b', 'a', 'b']],
  ["'tacocat'.substring(4) + 'tacocat'.substring(0, 4)", 'cattaco'],
  ["'  \\ttrim\\n    '.trim()", 'trim'],
  ["['x', 'y'].join() + ['x', 'y'].join(' ')", 'xyx y'],
  ["strings.quote('a\"b\\n')", '"a\\"b\\n"'],
  ["'%s %d %.1f %x %b %o %e'.format([dyn('a'), 1, 2.25, 255, 5, 8, 1.0])", 'a 1 2.2 ff 101 10 1.000000e+00'],
  ["'%.1f %.1f %.0f %.0f %.2f %f'.format([2.35, -0.25, 0.5, 1.5, 1.005, 1e15])", '2.4 -0.2 0 2 1.00 1000000000000000.000000'],
  ["'foobar'.matches('foo.*') && matches('foobar', '^f')", true],
  ["'abc 123'.find('[0-9]+') + 'abc'.find('x')", '123'],
  ["'123 abc 456'.findAll('[0-9]+') + '123 abc 456'.findAll('[0-9]+', 1) + '1'.findAll('x')", ['123', '456', '123']],
  ["url('https://user:pass@example.com:80/path/a b?query=val&x=1&x=2').getHost()", 'example.com:80'],
  ["url('https://[::1]:80/').getHostname() + url('https://[::1]:80/').getPort() + url('HTTPS://a').getScheme()", '::180https'],
  ["url('https://example.com/path with spaces/').getEscapedPath() + url('/path').getHost()", '/path%20with%20spaces/'],
  ["url('https://example.com/?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}", true],
  [
    "[isURL('https://a.com'), isURL('mailto:a@b'), isURL('/x'), isURL('*'), isURL('x'), isURL('../x'), isURL(':a')]",
    [true, true, true, true, false, false, false],
  ],
  ["url('mailto:a@b').getScheme() + url('mailto:a@b').getHost() + url('mailto:a@b').getEscapedPath()", 'mailto'],
  ["url('mailto:a') == url('mailto:b') || url('https://a/') != url('https://a/')", false],
  ["quantity('50Mi').isGreaterThan(quantity('50M')) && quantity('50M').isLessThan(quantity('50Mi'))", true],
  [
    "[quantity('200M').compareTo(quantity('0.2G')), quantity('1').compareTo(quantity('2')), quantity('2').compareTo(quantity('1'))]",
    [0, -1, 1],
  ],
  ["quantity('50k').add(quantity('20')) == quantity('50.02k') && quantity('50k').add(20) == quantity('50020')", true],
  ["quantity('50k').sub(quantity('20')) == quantity('49.98k') && quantity('50k').sub(20) == quantity('49980')", true],
  ["[quantity('-1').sign(), quantity('0').sign(), quantity('1m').sign()]", [-1, 0, 1]],
  ["[quantity('50k').asInteger(), quantity('50703').asInteger()]", [50000, 50703]],
  ["[quantity('50.703k').asApproximateFloat(), quantity('1m').asApproximateFloat()]", [50703, 0.001]],
  ["[quantity('50k').isInteger(), quantity('0.5').isInteger(), quantity('9999999999999999999999').isInteger()]", [true, false, false]],
  ["[isQuantity('20'), isQuantity('20M'), isQuantity('10Mm'), isQuantity('Three'), isQuantity('200K')]", [true, true, false, false, false]],
  ["[isIP('127.0.0.1'), isIP('::1'), isIP('127.0.0.256'), isIP('::ffff:1.2.3.4'), isIP('fe80::1%en0')]", [true, true, false, false, false]],
  ["string(ip('2001:DB8::1')) + string(cidr('10.0.0.0/8'))", '2001:db8::110.0.0.0/8'],
  ["[ip.isCanonical('2001:db8::abcd'), ip.isCanonical('2001:DB8::ABCD'), ip.isCanonical('127.0.0.1')]", [true, false, true]],
  ["[ip('127.0.0.1').family(), ip('::1').family()]", [4, 6]],
  ["[ip('0.0.0.0').isUnspecified(), ip('::').isUnspecified(), ip('127.0.0.1').isUnspecified()]", [true, true, false]],
  ["[ip('127.0.0.1').isLoopback(), ip('::1').isLoopback(), ip('1.1.1.1').isLoopback()]", [true, true, false]],
  [
    "[ip('224.0.0.1').isLinkLocalMulticast(), ip('ff02::1').isLinkLocalMulticast(), ip('224.0.1.1').isLinkLocalMulticast()]",
    [true, true, false],
  ],
  [
    "[ip('169.254.169.254').isLinkLocalUnicast(), ip('fe80::1').isLinkLocalUnicast(), ip('fd80::1').isLinkLocalUnicast()]",
    [true, true, false],
  ],
  ["[ip('192.168.0.1').isGlobalUnicast(), ip('255.255.255.255').isGlobalUnicast(), ip('ff00::1').isGlobalUnicast()]", [true, false, false]],
  ["[isCIDR('192.168.0.0/16'), isCIDR('::/0'), isCIDR('192.168.0.0/33'), isCIDR('192.168.0.0')]", [true, true, false, false]],
  ["cidr('192.168.0.0/24').ip() == ip('192.168.0.0') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')", true],
  ["[cidr('192.168.0.0/24').prefixLength(), cidr('::1/128').prefixLength()]", [24, 128]],
  ["[cidr('192.168.0.0/24').containsIP(ip('192.168.0.1')), cidr('192.168.0.0/24').containsIP('192.168.1.1')]", [true, false]],
  ["[cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/25')), cidr('192.168.0.0/24').containsCIDR('192.168.0.0/23')]", [true, false]],
  ["semver('1.2.3').major() * 100 + semver('1.2.3').minor() * 10 + semver('1.2.3').patch()", 123],
  [
    "[isSemver('1.2.3-alpha+build'), isSemver('v1.0'), isSemver('v1.0', true), isSemver('01.02.03', true), isSemver('1.2.3', false)]",
    [true, false, true, true, true],
  ],
  ["semver('1.0.0-alpha').isLessThan(semver('1.0.0')) && semver('v2', true).isGreaterThan(semver('1.9.9'))", true],
  ["semver('1.2.3+a').compareTo(semver('1.2.3+b'))", 0],
  ["format.dns1123Label().validate('my-label').hasValue() || format.dns1123Subdomain().validate('a.b').hasValue()", false],
  ["format.dns1035Label().validate('1a').value()[0].startsWith('a DNS-1035 label must consist of')", true],
  ["format.qualifiedName().validate('a.b/c').hasValue() || format.labelValue().validate('').hasValue()", false],
  [
    "format.dns1123LabelPrefix().validate('a-').hasValue() || format.dns1123SubdomainPrefix().validate('a.b-').hasValue() || format.dns1035LabelPrefix().validate('a-').hasValue()",
    false,
  ],
  ["format.uri().validate('x').value()", ['parse "x": invalid URI for request']],
  ["format.uuid().validate('x').value() + format.byte().validate('x').value()", ['does not match the UUID format', 'invalid base64']],
  ["format.date().validate('2026-02-30').value() + format.datetime().validate('x').value()", ['invalid date', 'invalid datetime']],
  ["format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').hasValue() || format.byte().validate('aGVsbG8=').hasValue()", false],
  ["format.named('dns1123Label').value() == format.dns1123Label() && !format.named('no').hasValue()", true],
  ["authorizer.path('/healthz').check('get').allowed()", true],
  ["authorizer.serviceAccount('a', 'b').path('/x').check('get').reason()", 'as asked'],
  [`${ASK}.subresource('status').namespace('n').name('d').fieldSelector('a=b').labelSelector('c').check('get').errored()`, false],
  [`${ASK}.check('get').error()`, ''],
]

for (const [source, result] of RESULTS)
  test(`compileCel gives what Kubernetes' libraries give: ${source.slice(0, 100)}`, () => {
    const authorizer = authorizerValue(() => ({ allowed: true, reason: 'as asked' }))
    assert.deepEqual(compileCel(source, environment).evaluate({ authorizer }), result)
  })

const FAILURES: [source: string, message: RegExp][] = [
  ["quantity('1x')", /^quantities must match the regular expression /],
  ["ip('1.2.3.4.5')", /^IP Address "1\.2\.3\.4\.5" parse error during conversion from string: /],
  ["cidr('1.2.3.4')", /^network address parse error during conversion from string: /],
  ["url('x')", /^URL parse error during conversion from string: parse "x": invalid URI for request$/],
  ["url(':x')", /missing protocol scheme$/],
  ["semver('1')", /^Semver parse error during conversion from string: /],
  ["quantity('0.5').asInteger()", /integer/],
  ["'a'.charAt(2)", /^index out of range: 2$/],
  ["'a'.substring(2)", /^index out of range: 2$/],
  ["'a'.substring(1, 0)", /^invalid substring range\. start: 1, end: 0$/],
  ['any.min()', /^min called on empty list$/],
  ['any.max()', /^max called on empty list$/],
]

for (const [source, message] of FAILURES)
  test(`compileCel fails as Kubernetes' libraries fail: ${source}`, () => {
    const program = compileCel(source, environment)
    assert.throws(() => program.evaluate({ any: [] }), { name: 'CelError', message })
  })

after(() => {
  const missing = [...uncalled.values()].filter((shown) => !STANDARD.test(shown))
  // Conversions to text count where they are of Kubernetes' own types.
  assert.deepEqual(
    missing.filter((shown) => !/^string\((?!net\.)/.test(shown)),
    [],
  )
})
