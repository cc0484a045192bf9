import assert from 'node:assert/strict'
import { test } from 'node:test'
import { estimateCost } from '#lib/cel/estimate.ts'
import { AUTHORIZER, authorizerValue } from './authorizer-library.ts'
import { kubernetesCalls } from './call-costs.ts'
import { celEnvironment, compileCel } from './environment.ts'

const environment = celEnvironment({ variables: { authorizer: AUTHORIZER } })

const INTS = '[1, 2, 3, 4, 5]'
const UINTS = '[uint(1), uint(2), uint(3), uint(4), uint(5)]'
const DOUBLES = '[1.0, 2.0, 3.0, 4.0, 5.0]'
const BOOLS = '[false, true, false, true, false]'
const STRINGS = `[${Array(5).fill("'012345678901'").join()}]`
const DURATIONS = `[${[1, 2, 3, 4, 5].map((seconds) => `duration('${seconds}s')`).join()}]`
const TIMES = `[${[1, 2, 3, 4, 5].map((day) => `timestamp('2011-01-0${day}T00:00:00.000+01:00')`).join()}]`
const LONG = `'${'0123456789'.repeat(5)}'`
const RESOURCE = "authorizer.group('apps').resource('deployments').subresource('status').namespace('test').name('backend')"
const [V4, V6] = ["cidr('192.168.0.0/16')", "cidr('2001:db8::/32')"]
const each = (subjects: string[], operations: string[]) => subjects.flatMap((one) => operations.map((operation) => one + operation))

/** What upstream makes of the same: estimated at most, and counted. Lists of constants are made once, so that using one counts nothing. */
const COSTS: [sources: string | string[], estimated: number, counted: number][] = [
  [each([INTS, DOUBLES], ['.sum()']), 15, 5],
  [each([UINTS, DURATIONS], ['.sum()']), 20, 20],
  [each([INTS, DOUBLES, BOOLS], ['.isSorted()', '.max()', '.min()']), 15, 5],
  [each([UINTS, DURATIONS, TIMES], ['.isSorted()', '.max()', '.min()']), 20, 20],
  [each([STRINGS], ['.isSorted()', '.max()', '.min()']), 25, 5],
  [[`${INTS}.indexOf(3)`, `${DOUBLES}.lastIndexOf(3.0)`, `${BOOLS}.indexOf(true)`], 15, 5],
  [[`${UINTS}.indexOf(uint(3))`, `${DURATIONS}.indexOf(duration('3s'))`], 21, 21],
  [`${TIMES}.lastIndexOf(timestamp('2011-01-03T00:00:00.000+01:00'))`, 21, 21],
  [`${STRINGS}.indexOf('x')`, 25, 5],
  [each([LONG], [".indexOf('123')", ".lastIndexOf('123')"]), 5, 5],
  [
    each(
      ["url('https:://kubernetes.io/')"],
      ['.getScheme()', '.getHostname()', '.getHost()', '.getPort()', '.getEscapedPath()', '.getQuery()'],
    ),
    4,
    4,
  ],
  [["ip('192.168.0.1')", V4, V6], 2, 2],
  ["ip('2001:db8:3333:4444:5555:6666:7777:8888')", 4, 4],
  [
    each(
      ["ip('192.168.0.1')"],
      ['.family()', '.isUnspecified()', '.isLoopback()', '.isLinkLocalMulticast()', '.isLinkLocalUnicast()', '.isGlobalUnicast()'],
    ),
    3,
    3,
  ],
  [["ip.isCanonical('192.168.0.1')", "ip.isCanonical('2001:db8::abcd')"], 3, 3],
  ["ip.isCanonical('2001:db8:3333:4444:5555:6666:7777:8888')", 8, 8],
  [["isIP('192.168.0.1')", "isCIDR('192.168.0.0/16')"], 2, 2],
  [each([V4, V6], ['.ip()', '.prefixLength()', '.masked()']), 3, 3],
  [each([V4], [".containsCIDR(cidr('192.0.0.0/30'))", ".containsCIDR('192.0.0.0/30')", ".containsCIDR('192.168.0.0/16')"]), 11, 7],
  [each([V6], [".containsCIDR(cidr('2001:db8::/126'))", ".containsCIDR('2001:db8::/32')"]), 11, 7],
  [each([V4], [".containsIP(ip('192.0.0.1'))", ".containsIP('192.0.0.1')"]), 7, 4],
  [each([V4], [".containsIP(ip('192.169.0.1'))", ".containsIP(ip('192.169.169.250'))", ".containsIP('192.169.0.1')"]), 8, 5],
  [
    each([V6], [".containsIP(ip('2001:db8:3333:4444:5555:6666:7777:8888'))", ".containsIP('2001:db8:3333:4444:5555:6666:7777:8888')"]),
    10,
    7,
  ],
  [each([V6], [".containsIP(ip('2001:db8::1'))", ".containsIP('2001:db8::1')"]), 8, 5],
  [each(["'ABCDEFGHIJ abcdefghij'"], ['.lowerAscii()', '.upperAscii()']), 3, 3],
  ["'ABCDEFGHIJ abcdefghij'.lowerAscii() == 'abcdefghij ABCDEFGHIJ'.lowerAscii()", 9, 9],
  ["strings.quote('ABCDEFGHIJ abcdefghij')", 3, 3],
  ["strings.quote('ABCDEFGHIJ abcdefghij') == strings.quote('ABCDEFGHIJ abcdefghij')", 11, 9],
  [each(["'abc 123 def 123'"], [".replace('123', '456')", ".replace('', 'x')", ".replace('123', '')", ".replace('123', '456', 1)"]), 3, 3],
  [each(["'abc 123 def 123'"], [".split(' ')", ".split(' ', 1)"]), 3, 3],
  [each(["'abc 123 def 123'"], ['.substring(5)', '.substring(5, 8)', ".find('123')", ".findAll('123')", ".findAll('123', 1)"]), 2, 2],
  ["'  abc 123 def 123  '.trim()", 2, 2],
  ["authorizer.path('/healthz')", 2, 2],
  [RESOURCE, 6, 6],
  ["authorizer.path('/healthz').check('get').allowed()", 350_003, 350_003],
  [each([`${RESOURCE}.check('create')`], ['.allowed()', '.reason()', '.errored()', '.error()']), 350_007, 350_007],
  [['quantity("12Mi")', 'isQuantity("20M")'], 1, 1],
  ['quantity("50M").isLessThan(quantity("50Mi"))', 3, 3],
  ['quantity("200M").compareTo(quantity("0.2G")) > 0', 4, 4],
  ['quantity("200M") == quantity("200M")', 3, 3],
  ['quantity("50k").add(20).sub(quantity("100k")).sub(-50000).asInteger() > 0', 7, 7],
  [['quantity("50k").asInteger() > 0', 'quantity("50.703k").asApproximateFloat() > 0.0'], 3, 3],
  [['quantity("50").isInteger()', 'quantity("50").sign()'], 2, 2],
  [["semver('1.2.3')", "isSemver('1.2.3')"], 1, 1],
  [["semver('1.2.3').major()", "semver('1.2.3').minor()", "semver('1.2.3').patch()"], 2, 2],
  ["semver('1.2.3').isLessThan(semver('1.2.4'))", 3, 3],
  [['sets.contains([], [])', 'sets.equivalent([], [])'], 21, 21],
  ['sets.contains([1], [1, 1])', 23, 3],
  ['sets.contains([1, 2, 3, 4], [2, 3])', 29, 9],
  ['sets.equivalent([1], [1, 1])', 25, 5],
  ['sets.intersects([1], [1])', 22, 2],
  ["['aa', 'bb', 'cc', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].join(' ')", 13, 5],
  ["['aa', 'bb', 'cc', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].join()", 12, 3],
  ["['012345678901', '0123456789012345678901'].indexOf('x')", 18, 3],
  ['format.dns1123Label().validate("hello world")', 65, 17],
  ['format.named("dns1123Label")', 1, 1],
]

for (const [sources, estimated, counted] of COSTS)
  for (const source of [sources].flat())
    test(`kubernetesCalls estimates and meters ${source}`, () => {
      const { program } = compileCel(source, environment)
      const { cost } = program.run({ authorizer: authorizerValue(() => ({ allowed: true, reason: '' })) }, { perCall: 1_000_000 })
      assert.deepEqual([estimateCost(program.expr, program.checked, kubernetesCalls), cost], [estimated, counted])
    })
