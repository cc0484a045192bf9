// IP addresses and CIDR ranges in expressions: strict about what is one, IPv4 in IPv6 refused.
import { isIPv4, isIPv6 } from 'node:net'
import { canonicalIP, ipMessages } from '#api/validation/ip.ts'
import { costOfText, declare, type Declaration } from '#lib/cel/functions.ts'
import { quoted } from '#lib/cel/quoted.ts'
import { Failure, Foreign, type Value } from '#lib/cel/values.ts'

const IP = 'net.IP'
const CIDR = 'net.CIDR'

class Address extends Foreign {
  readonly typeName = IP
  readonly text: string
  readonly bits: bigint
  readonly family: 4 | 6

  constructor(text: string, bits: bigint) {
    super()
    this.text = text
    this.bits = bits
    this.family = isIPv4(text) ? 4 : 6
  }

  get width(): number {
    return this.family === 4 ? 32 : 128
  }

  override equals(other: Address): boolean {
    return this.text === other.text
  }

  override toString(): string {
    return this.text
  }

  /** Whether the first `length` bits are those of the other. */
  shares(length: number, other: Address): boolean {
    return this.family === other.family && (this.bits ^ other.bits) >> BigInt(this.width - length) === 0n
  }
}

class Range extends Foreign {
  readonly typeName = CIDR
  readonly address: Address
  readonly length: number

  constructor(address: Address, length: number) {
    super()
    this.address = address
    this.length = length
  }

  override equals(other: Range): boolean {
    return this.length === other.length && this.address.equals(other.address)
  }

  override toString(): string {
    return `${this.address.text}/${this.length}`
  }
}

function bitsOf(canonical: string): bigint {
  if (isIPv4(canonical)) return canonical.split('.').reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n)
  const [head = '', tail] = canonical.split('::')
  const groups = (text: string) => (text ? text.split(':') : [])
  const right = groups(tail ?? '')
  const left = groups(head)
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return all.reduce((bits, group) => (bits << 16n) | BigInt(Number.parseInt(group, 16)), 0n)
}

function textOf(bits: bigint, family: 4 | 6): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, at) => ((bits >> BigInt(112 - at * 16)) & 0xffffn).toString(16))
  return canonicalIP(groups.join(':'))
}

function parseAddress(text: string): Address | Failure {
  if (text.length > 64 || (!isIPv4(text) && !isIPv6(text)))
    return new Failure(
      `IP Address ${quoted(text)} parse error during conversion from string: ParseAddr(${quoted(text)}): unable to parse IP`,
    )
  if (text.includes('%')) return new Failure(`IP address ${quoted(text)} with zone value is not allowed`)
  if (ipMessages(text).length > 0) return new Failure(`IPv4-mapped IPv6 address ${quoted(text)} is not allowed`)
  const canonical = canonicalIP(text)
  return new Address(canonical, bitsOf(canonical))
}

function parseRange(text: string): Range | Failure {
  const [, address, length] = /^([^/]{1,64})\/(0|[1-9]\d{0,2})$/.exec(text) ?? []
  const parsed = address === undefined ? undefined : parseAddress(address)
  if (!(parsed instanceof Address) || Number(length) > parsed.width)
    return new Failure(`network address parse error during conversion from string: netip.ParsePrefix(${quoted(text)}): unable to parse`)
  return new Range(parsed, Number(length))
}

function masked({ address, length }: Range): Range {
  const rest = BigInt(address.width - length)
  const bits = (address.bits >> rest) << rest
  return new Range(new Address(textOf(bits, address.family), bits), length)
}

const within = (range: Range, address: Address): boolean => address.shares(range.length, range.address)
const inRange =
  (text: string) =>
  (_: unknown, address: Address): Value =>
    within(RANGES[text]!, address)
const RANGES: Readonly<Record<string, Range>> = Object.fromEntries(
  ['127.0.0.0/8', '::1/128', '224.0.0.0/24', 'ff02::/16', '169.254.0.0/16', 'fe80::/10', '224.0.0.0/4', 'ff00::/8'].map((text) => [
    text,
    parseRange(text) as Range,
  ]),
)
const either = (four: string, six: string) => {
  const [v4, v6] = [inRange(four), inRange(six)]
  return (run: unknown, address: Address) => (address.family === 4 ? v4(run, address) : v6(run, address))
}
const isLoopback = either('127.0.0.0/8', '::1/128')
const isLinkLocalMulticast = either('224.0.0.0/24', 'ff02::/16')
const isLinkLocalUnicast = either('169.254.0.0/16', 'fe80::/10')
const isMulticast = either('224.0.0.0/4', 'ff00::/8')
const isUnspecified = (_: unknown, { bits }: Address) => bits === 0n

function isGlobalUnicast(run: unknown, address: Address): Value {
  if (address.text === '255.255.255.255' || isUnspecified(run, address)) return false
  return !isLoopback(run, address) && !isMulticast(run, address) && !isLinkLocalUnicast(run, address)
}

/** One spelling is made of each. */
const READING = (): number => 150
const ONE = (): number => 1
/** By the bytes of the prefix, twice; and once more to mask them. */
const bytesOf = ({ length }: Range): number => Math.ceil(length / 8)
const compared = (range: Range): number => Math.ceil(bytesOf(range) / 5)
const masking = (range: Range): number => compared(range) + Math.ceil(bytesOf(range) / 10) + 1
const ofText =
  <T extends Value>(parse: (text: string) => T | Failure, act: (value: T) => Value) =>
  (text: string): Value => {
    const parsed = parse(text)
    return parsed instanceof Failure ? parsed : act(parsed)
  }

function containsRange(range: Range, other: Range): boolean {
  return range.length <= other.length && within(range, other.address)
}

export const addressFunctions = (): Declaration[] => [
  declare(`ip(string): ${IP}`, (_, text) => parseAddress(text), costOfText, READING),
  declare('isIP(string): bool', (_, text) => !(parseAddress(text) instanceof Failure), costOfText, READING),
  declare(
    'ip.isCanonical(string): bool',
    (_, text: string) => ofText(parseAddress, (address) => (address as Address).text === text)(text),
    (text) => Math.ceil(text.length / 5),
    READING,
  ),
  declare(`string(${IP}): string`, (_, address) => String(address)),
  declare(`${IP}~family(): int`, (_, { family }: Address) => BigInt(family)),
  declare(`${IP}~isUnspecified(): bool`, isUnspecified),
  declare(`${IP}~isLoopback(): bool`, isLoopback),
  declare(`${IP}~isLinkLocalMulticast(): bool`, isLinkLocalMulticast),
  declare(`${IP}~isLinkLocalUnicast(): bool`, isLinkLocalUnicast),
  declare(`${IP}~isGlobalUnicast(): bool`, isGlobalUnicast),
  declare(`cidr(string): ${CIDR}`, (_, text) => parseRange(text), costOfText, READING),
  declare('isCIDR(string): bool', (_, text) => !(parseRange(text) instanceof Failure), costOfText, READING),
  declare(`string(${CIDR}): string`, (_, range) => String(range)),
  declare(`${CIDR}~ip(): ${IP}`, (_, { address }: Range) => address),
  declare(`${CIDR}~masked(): ${CIDR}`, (_, range: Range) => masked(range), ONE, READING),
  declare(`${CIDR}~prefixLength(): int`, (_, { length }: Range) => BigInt(length)),
  declare(`${CIDR}~containsIP(${IP}): bool`, (_, range: Range, address: Address) => within(range, address), compared),
  declare(
    `${CIDR}~containsIP(string): bool`,
    (_, range: Range, text: string) => ofText(parseAddress, (address) => within(range, address as Address))(text),
    (range, text) => compared(range) + costOfText(text),
    READING,
  ),
  declare(`${CIDR}~containsCIDR(${CIDR}): bool`, (_, range: Range, other: Range) => containsRange(range, other), masking),
  declare(
    `${CIDR}~containsCIDR(string): bool`,
    (_, range: Range, text: string) => ofText(parseRange, (other) => containsRange(range, other as Range))(text),
    (range, text) => masking(range) + costOfText(text),
    READING,
  ),
]
