import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as names from './names.ts'

type Check = (value: string) => string[]

const accepted: [string, Check, string[]][] = [
  ['dnsLabel', names.dnsLabel, ['a', 'a-b', '1', 'a'.repeat(63)]],
  ['dnsSubdomain', names.dnsSubdomain, ['a', 'a.b', 'a-1.b', '0.0']],
  ['dns1035Label', names.dns1035Label, ['a', 'a-1']],
  ['qualifiedName', names.qualifiedName, ['a', 'A_b.c', 'example.com/My-Name']],
  ['labelValueMessages', names.labelValueMessages, ['', 'a', 'A.b_c']],
  ['pathSegment', names.pathSegment, ['a:b', 'system:node']],
  ['configMapKey', names.configMapKey, ['a', '.hidden', 'A_b.c']],
  ['envVarName', names.envVarName, ['A', '1 b!', 'my.name-x']],
  ['portName', names.portName, ['http', 'a1-b']],
  ['domainPrefixedPath', names.domainPrefixedPath, ['a.io/b', 'a/b/c']],
  ['wildcardSubdomain', names.wildcardSubdomain, ['*.example.com']],
]

const refused: [string, Check, string, string][] = [
  [
    'dnsLabel',
    names.dnsLabel,
    'A',
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ],
  [
    'dnsSubdomain',
    names.dnsSubdomain,
    'a..b',
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ],
  [
    'qualifiedName',
    names.qualifiedName,
    'a b',
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
  ],
  ['qualifiedName', names.qualifiedName, '/a', 'prefix part must be non-empty'],
  [
    'labelValueMessages',
    names.labelValueMessages,
    'a b',
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
  ],
  ['labelValueMessages', names.labelValueMessages, 'a'.repeat(64), 'must be no more than 63 characters'],
  ['pathSegment', names.pathSegment, 'a/b', "may not contain '/'"],
  ['pathSegment', names.pathSegment, '..', "may not be '..'"],
  ['configMapKey', names.configMapKey, '..a', "must not start with '..'"],
  [
    'envVarName',
    names.envVarName,
    'a=b',
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
  ],
  ['portName', names.portName, 'a--b', 'must not contain consecutive hyphens'],
  ['portName', names.portName, '80', 'must contain at least one letter (a-z)'],
  ['domainPrefixedPath', names.domainPrefixedPath, 'abc', 'must be a domain-prefixed path (such as "acme.io/foo")'],
]

for (const [name, check, values] of accepted)
  test(`${name} accepts ${values.map((value) => JSON.stringify(value.slice(0, 20))).join(' ')}`, () => {
    for (const value of values) assert.deepEqual(check(value), [])
  })

for (const [name, check, value, message] of refused)
  test(`${name} refuses ${JSON.stringify(value.slice(0, 20))}`, () => assert.deepEqual(check(value), [message]))

test('forNames lets a prefix end in a dash', () => {
  const check = names.forNames(names.dnsSubdomain)
  assert.deepEqual(check('web-', true), [])
  assert.equal(check('web-', false).length, 1)
})
