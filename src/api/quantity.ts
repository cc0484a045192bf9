// Quantities exactly as apimachinery's resource.Quantity: decimal and binary suffixes, nano precision, canonical text.
// Held as a whole number of nanos, so arithmetic never rounds; what is finer than a nano is rounded away from zero when parsed.

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent'

const NANO = 1_000_000_000n
const MILLI = 1_000_000n
const MAX_BINARY = (2n ** 63n - 1n) * NANO
/** Beyond this a quantity means nothing and only costs time: refused. */
const MAX_EXPONENT = 400
const MAX_LENGTH = 512

const DECIMAL: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const BINARY: Record<string, number> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 }
const DECIMAL_SUFFIX = new Map(Object.entries(DECIMAL).map(([suffix, exponent]) => [exponent, suffix]))
const BINARY_SUFFIX = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

const NUMERIC = 'unable to parse numeric part of quantity'
const SUFFIX = "unable to parse quantity's suffix"
/** Why a text is none. */
export const QUANTITY_FORM = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const PARTS = /^([+-]?)([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/

export class QuantityError extends Error {
  override name = 'QuantityError'
}

export class Quantity {
  readonly nanos: bigint
  readonly format: QuantityFormat
  #text: string | undefined

  constructor(nanos: bigint, format: QuantityFormat = 'DecimalSI', text?: string) {
    this.nanos = nanos
    this.format = format
    this.#text = text
  }

  /** Throws QuantityError with upstream's text. */
  static parse(text: string): Quantity {
    const parts = text.length > 0 && text.length <= MAX_LENGTH ? PARTS.exec(text) : null
    if (!parts) throw new QuantityError(QUANTITY_FORM)
    const [, sign, whole = '', , fraction = '', suffix = ''] = parts
    const { base, exponent, format } = interpret(suffix)
    const number = whole.replace(/^0+/, '')
    const digits = (number || '0') + fraction
    if (!/^[0-9]+$/.test(digits)) throw new QuantityError(NUMERIC)
    let nanos =
      base === 2 ? shift(BigInt(digits) << BigInt(exponent), 9 - fraction.length) : shift(BigInt(digits), exponent - fraction.length + 9)
    if (base === 2 && nanos > MAX_BINARY) nanos = MAX_BINARY
    if (sign === '-') nanos = -nanos
    // Upstream keeps the given text where its quick check finds it canonical; some texts that are not (1.500) pass it too.
    const scale = exponent - fraction.length
    const kept =
      digits.length <= 18 &&
      (base === 2
        ? fraction === '' && digits.length + Math.trunc(exponent * 0.3) < 15 && (Number(digits) & 7) !== 0
        : scale >= -9 && scale % 3 === 0 && !digits.endsWith('000') && digits[0] !== '0')
    const binary = base === 2 && nanos > 0n && nanos < NANO
    return new Quantity(nanos, binary ? 'DecimalSI' : format, kept ? text : undefined)
  }

  static of(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(value) * NANO, format)
  }

  static ofMilli(milli: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(milli) * MILLI, format)
  }

  get sign(): -1 | 0 | 1 {
    return this.nanos === 0n ? 0 : this.nanos < 0n ? -1 : 1
  }

  compare(other: Quantity): -1 | 0 | 1 {
    return this.nanos === other.nanos ? 0 : this.nanos < other.nanos ? -1 : 1
  }

  /** A zero takes the format of what is added to it. */
  add(other: Quantity): Quantity {
    return new Quantity(this.nanos + other.nanos, this.nanos === 0n ? other.format : this.format)
  }

  sub(other: Quantity): Quantity {
    return new Quantity(this.nanos - other.nanos, this.nanos === 0n ? other.format : this.format)
  }

  /** Rounded away from zero to whole units. */
  value(): number {
    return Number(divideUp(this.nanos, NANO))
  }

  roundUp(): Quantity {
    return this.nanos % NANO === 0n ? this : new Quantity(divideUp(this.nanos, NANO) * NANO, this.format)
  }

  /** Rounded away from zero to thousandths. */
  milliValue(): number {
    return Number(divideUp(this.nanos, MILLI))
  }

  roundUpToMilli(): Quantity {
    return this.nanos % MILLI === 0n ? this : new Quantity(divideUp(this.nanos, MILLI) * MILLI, this.format)
  }

  /** The canonical text: no fraction, largest suffix that loses nothing. */
  toString(): string {
    return (this.#text ??= this.#canonical())
  }

  #canonical(): string {
    if (this.nanos === 0n) return '0'
    const magnitude = this.nanos < 0n ? -this.nanos : this.nanos
    if (this.format === 'BinarySI' && magnitude >= 1024n * NANO && this.nanos % NANO === 0n) {
      const [mantissa, power] = removeFactors(this.nanos / NANO, 1024n, BINARY_SUFFIX.length - 1)
      return `${mantissa}${BINARY_SUFFIX[power]}`
    }
    const [digits, zeros] = removeFactors(this.nanos, 10n)
    const exponent = zeros - 9
    const rest = ((exponent % 3) + 3) % 3
    const mantissa = digits * 10n ** BigInt(rest)
    const power = exponent - rest
    if (this.format === 'DecimalExponent') return power === 0 ? `${mantissa}` : `${mantissa}e${power}`
    return `${mantissa}${DECIMAL_SUFFIX.get(power) ?? `e${power}`}`
  }
}

/** What nearly all quantities are written as: a whole number, and a unit that suits it as it is. */
const PLAIN = /^([1-9][0-9]{0,8})(m|Ki|Mi|Gi)?$/

function isPlain(text: unknown): text is string {
  const [, digits, unit] = typeof text === 'string' ? (PLAIN.exec(text) ?? []) : []
  return digits !== undefined && Number(digits) % (unit === undefined || unit === 'm' ? 1000 : 1024) !== 0
}

/** The text as the API server gives it back; throws QuantityError. */
export function canonicalQuantity(text: string | number): string {
  if (isPlain(text)) return text
  return Quantity.parse(String(text).trim()).toString()
}

/** As a ResourceList's values are kept: canonical, rounded up to thousandths. */
export function canonicalResource(text: string | number): string {
  if (isPlain(text)) return text
  return Quantity.parse(String(text).trim()).roundUpToMilli().toString()
}

/** undefined and text that is no quantity count as zero: for what has passed validation. */
export function quantityOf(text: string | number | undefined): Quantity {
  if (text === undefined) return ZERO
  try {
    return Quantity.parse(String(text).trim())
  } catch {
    return ZERO
  }
}

export function isQuantity(text: unknown): boolean {
  if (typeof text !== 'string' && typeof text !== 'number') return false
  try {
    Quantity.parse(String(text).trim())
    return true
  } catch {
    return false
  }
}

const POWERS: Record<string, number> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }

/** Bytes, counts: whole units, rounded up. */
export function quantityValue(text: string | number | undefined): number {
  const [, digits, unit] = typeof text === 'string' ? (/^([0-9]{1,6})(Ki|Mi|Gi)?$/.exec(text) ?? []) : []
  if (digits !== undefined) return unit === undefined ? Number(digits) : Number(digits) * POWERS[unit]!
  return quantityOf(text).value()
}
/** CPU: thousandths, rounded up. */
export function quantityMilliValue(text: string | number | undefined): number {
  return (typeof text === 'string' ? plainMilliValue(text) : undefined) ?? quantityOf(text).milliValue()
}

const MOST_PLAIN_DIGITS = 12

/**
 * What nearly all are written as, without big numbers: up to twelve digits, of wholes, thousandths or billionths. Autoscalers and
 * schedulers ask by the thousand.
 */
function plainMilliValue(text: string): number | undefined {
  const unit = text.at(-1)
  const digits = unit === 'm' || unit === 'n' ? text.length - 1 : text.length
  if (digits === 0 || digits > MOST_PLAIN_DIGITS) return undefined
  let number = 0
  for (let at = 0; at < digits; at++) {
    const digit = text.charCodeAt(at) - ZERO_DIGIT
    if (digit < 0 || digit > 9) return undefined
    number = number * 10 + digit
  }
  return unit === 'm' ? number : unit === 'n' ? Math.ceil(number / 1e6) : number * 1000
}

const ZERO_DIGIT = '0'.charCodeAt(0)

export const ZERO = new Quantity(0n)

function interpret(suffix: string): { base: 2 | 10; exponent: number; format: QuantityFormat } {
  if (Object.hasOwn(DECIMAL, suffix)) return { base: 10, exponent: DECIMAL[suffix]!, format: 'DecimalSI' }
  if (Object.hasOwn(BINARY, suffix)) return { base: 2, exponent: BINARY[suffix]!, format: 'BinarySI' }
  const exponent = /^[eE]([-+]?[0-9]+)$/.exec(suffix)?.[1]
  if (exponent === undefined || Math.abs(Number(exponent)) > MAX_EXPONENT) throw new QuantityError(SUFFIX)
  return { base: 10, exponent: Number(exponent), format: 'DecimalExponent' }
}

function shift(value: bigint, exponent: number): bigint {
  return exponent >= 0 ? value * 10n ** BigInt(exponent) : divideUp(value, 10n ** BigInt(-exponent))
}

function divideUp(value: bigint, by: bigint): bigint {
  const whole = value / by
  if (whole * by === value) return whole
  return value < 0n ? whole - 1n : whole + 1n
}

function removeFactors(value: bigint, factor: bigint, most = Number.MAX_SAFE_INTEGER): [bigint, number] {
  let times = 0
  for (; times < most && value % factor === 0n; times++) value /= factor
  return [value, times]
}
