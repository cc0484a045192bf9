// Semantic versions in expressions, compared by their precedence.
import { costOfText, declare, type Declaration } from '#lib/cel/functions.ts'
import { Failure, Foreign } from '#lib/cel/values.ts'

const TYPE = 'kubernetes.Semver'
const FORM = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/
const LONGEST = 1000

class Version extends Foreign {
  readonly typeName = TYPE
  readonly numbers: readonly bigint[]
  readonly pre: readonly string[]

  constructor(numbers: readonly bigint[], pre: readonly string[]) {
    super()
    this.numbers = numbers
    this.pre = pre
  }

  override equals(other: Version): boolean {
    return this.compare(other) === 0n
  }

  compare({ numbers, pre }: Version): bigint {
    for (const [at, number] of this.numbers.entries()) if (number !== numbers[at]) return number < numbers[at]! ? -1n : 1n
    if (this.pre.length === 0 || pre.length === 0) return BigInt(Math.sign(pre.length - this.pre.length))
    for (let at = 0; at < Math.min(pre.length, this.pre.length); at++) {
      const order = comparePart(this.pre[at]!, pre[at]!)
      if (order !== 0) return BigInt(order)
    }
    return BigInt(Math.sign(this.pre.length - pre.length))
  }
}

/** Numbers come before words. */
function comparePart(one: string, other: string): number {
  if (one === other) return 0
  const [a, b] = [/^\d+$/.test(one), /^\d+$/.test(other)]
  if (a && b) return BigInt(one) < BigInt(other) ? -1 : 1
  if (a !== b) return a ? -1 : 1
  return one < other ? -1 : 1
}

function parse(given: string, normalize = false): Version | Failure {
  if (given.length > LONGEST) return new Failure('Semver parse error during conversion from string: too long')
  const text = normalize ? normalized(given) : given
  const match = FORM.exec(text)
  const parts = [match?.[4], match?.[5]].map((one) => one?.split('.') ?? [])
  const empty = parts.flat().includes('') || parts[0]!.some((part) => /^0\d+$/.test(part))
  if (!match || empty) return new Failure(`Semver parse error during conversion from string: No Major.Minor.Patch elements found`)
  const numbers = match.slice(1, 4).map(BigInt)
  if (numbers.some((number) => number >= 2n ** 64n))
    return new Failure('Semver parse error during conversion from string: value out of range')
  return new Version(numbers, parts[0]!)
}

/** `v01.2` is 1.2.0. */
function normalized(text: string): string {
  const [, core = '', rest = ''] = /^([^-+]*)(.*)$/s.exec(text.trim().replace(/^v/, '')) ?? []
  const parts = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''))
  while (parts.length < 3) parts.push('0')
  return parts.join('.') + rest
}

export const semverFunctions = (): Declaration[] => [
  declare(
    `semver(string): ${TYPE}`,
    (_, text) => parse(text),
    costOfText,
    () => 40,
  ),
  declare(
    `semver(string, bool): ${TYPE}`,
    (_, text, normalize) => parse(text, normalize),
    costOfText,
    () => 50,
  ),
  declare(
    'isSemver(string): bool',
    (_, text) => parse(text) instanceof Version,
    costOfText,
    () => 40,
  ),
  declare(
    'isSemver(string, bool): bool',
    (_, text, normalize) => parse(text, normalize) instanceof Version,
    costOfText,
    () => 50,
  ),
  ...['major', 'minor', 'patch'].map((name, at) =>
    declare(`${TYPE}~${name}(): int`, (_, { numbers }: Version) => BigInt.asIntN(64, numbers[at]!)),
  ),
  declare(`${TYPE}~compareTo(${TYPE}): int`, (_, one: Version, other: Version) => one.compare(other)),
  declare(`${TYPE}~isLessThan(${TYPE}): bool`, (_, one: Version, other: Version) => one.compare(other) < 0n),
  declare(`${TYPE}~isGreaterThan(${TYPE}): bool`, (_, one: Version, other: Version) => one.compare(other) > 0n),
]
