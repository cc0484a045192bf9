// How names, labels and keys must look, with upstream's exact words. Each check returns messages: none means valid.

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`
const UNDERSCORED_LABEL = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const UNDERSCORED = `${UNDERSCORED_LABEL}(\\.${UNDERSCORED_LABEL})*`
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const LABEL_VALUE = `(${QUALIFIED})?`
const WILDCARD = `\\*\\.${SUBDOMAIN}`
const CONFIG_KEY = '[-._a-zA-Z0-9]+'
const HTTP_HEADER = '[-A-Za-z0-9]+'
const PERCENT = '[0-9]+%'
const HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"

const whole = (pattern: string) => new RegExp(`^${pattern}$`)
const [label, subdomain, label1035, qualified, labelValue] = [LABEL, SUBDOMAIN, LABEL_1035, QUALIFIED, LABEL_VALUE].map(whole) as [
  RegExp,
  RegExp,
  RegExp,
  RegExp,
  RegExp,
]
const underscored = whole(UNDERSCORED)
const [wildcard, configKey, httpHeader, percent, httpPath] = [WILDCARD, CONFIG_KEY, HTTP_HEADER, PERCENT, HTTP_PATH].map(whole) as [
  RegExp,
  RegExp,
  RegExp,
  RegExp,
  RegExp,
]

const QUALIFIED_MESSAGE = explain(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  QUALIFIED,
  'MyName',
  'my.name',
  '123-abc',
)

export const maxLength = (length: number) => `must be no more than ${length} characters`

/** A check of a name; a prefix (generateName) may end where a name may not. */
export type NameCheck = (name: string, prefix?: boolean) => string[]

export function dnsLabel(value: string): string[] {
  const message = () =>
    explain(
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
      LABEL,
      'my-name',
      '123-abc',
    )
  return check(value, 63, label, () => (subdomain.test(value) ? 'must not contain dots' : message()))
}

export function dnsSubdomain(value: string): string[] {
  return check(value, 253, subdomain, () =>
    explain(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
      SUBDOMAIN,
      'example.com',
    ),
  )
}

/** Search domains may have underscores, as many real ones do. */
export function dnsSubdomainWithUnderscores(value: string): string[] {
  return check(value, 253, underscored, () =>
    explain(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
      UNDERSCORED,
      'example.com',
    ),
  )
}

export function dns1035Label(value: string): string[] {
  return check(value, 63, label1035, () =>
    explain(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
      LABEL_1035,
      'my-name',
      'abc-123',
    ),
  )
}

export function wildcardSubdomain(value: string): string[] {
  return check(value, 253, wildcard, () =>
    explain(
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
      WILDCARD,
      '*.example.com',
    ),
  )
}

/** A label or annotation key, a finalizer, a resource name: an optional DNS prefix and a name. */
export function qualifiedName(value: string): string[] {
  const parts = value.split('/')
  if (parts.length > 2)
    return [`a qualified name ${QUALIFIED_MESSAGE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`]
  const name = parts.at(-1)!
  const messages: string[] = []
  if (parts.length === 2) {
    if (parts[0] === '') messages.push('prefix part must be non-empty')
    else messages.push(...dnsSubdomain(parts[0]!).map((message) => `prefix part ${message}`))
  }
  if (name === '') messages.push('name part must be non-empty')
  else if (name.length > 63) messages.push(`name part ${maxLength(63)}`)
  if (!qualified.test(name)) messages.push(`name part ${QUALIFIED_MESSAGE}`)
  return messages
}

export function labelValueMessages(value: string): string[] {
  return check(value, 63, labelValue, () =>
    explain(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      LABEL_VALUE,
      'MyValue',
      'my_value',
      '12345',
    ),
  )
}

export function pathSegment(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`]
  return ['/', '%'].filter((one) => value.includes(one)).map((one) => `may not contain '${one}'`)
}

export function configMapKey(value: string): string[] {
  const messages = check(value, 253, configKey, () =>
    explain("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", CONFIG_KEY, 'key.name', 'KEY_NAME', 'key-name'),
  )
  if (value === '.') messages.push("must not be '.'")
  else if (value === '..') messages.push("must not be '..'")
  else if (value.startsWith('..')) messages.push("must not start with '..'")
  return messages
}

export function envVarName(value: string): string[] {
  if (value === '') return ['environment variable name must be non-empty']
  return /^[ -<>-~]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

export function portName(value: string): string[] {
  const messages: string[] = []
  if (value.length > 15) messages.push(maxLength(15))
  if (!/^[-a-z0-9]+$/.test(value)) messages.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(value)) messages.push('must contain at least one letter (a-z)')
  if (value.includes('--')) messages.push('must not contain consecutive hyphens')
  if (value.startsWith('-') || value.endsWith('-')) messages.push('must not begin or end with a hyphen')
  return messages
}

export function portNumber(value: number): string[] {
  return Number.isInteger(value) && value >= 1 && value <= 65535 ? [] : ['must be between 1 and 65535, inclusive']
}

export function httpHeaderName(value: string): string[] {
  return httpHeader.test(value)
    ? []
    : [explain("a valid HTTP header must consist of alphanumeric characters or '-'", HTTP_HEADER, 'X-Header-Name')]
}

export function percentMessages(value: string): string[] {
  return percent.test(value)
    ? []
    : [explain("a valid percent string must be a numeric string followed by an ending '%'", PERCENT, '1%', '93%')]
}

/** `example.com/path`: signer names, ingress controllers, finalizers of other systems. */
export function domainPrefixedPath(value: string): string[] {
  const slash = value.indexOf('/')
  if (slash <= 0 || slash === value.length - 1) return ['must be a domain-prefixed path (such as "acme.io/foo")']
  const path = value.slice(slash + 1)
  return [...dnsSubdomain(value.slice(0, slash)), ...(httpPath.test(path) ? [] : [explain('Invalid path', HTTP_PATH)])]
}

/** A name check for `prefix`es too: a generated name goes on after a trailing dash. */
export function forNames(checkName: (value: string) => string[]): NameCheck {
  return (name, prefix) => checkName(prefix && name.endsWith('-') ? `${name.slice(0, -1)}a` : name)
}

function check(value: string, most: number, pattern: RegExp, message: () => string): string[] {
  const messages = value.length > most ? [maxLength(most)] : []
  if (!pattern.test(value)) messages.push(message())
  return messages
}

function explain(message: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`
  return `${message} (e.g. ${examples.map((example) => `'${example}', `).join(' or ')}regex used for validation is '${pattern}')`
}
