// Quantities in expressions, by the same arithmetic resources are counted with.
import { Quantity, QuantityError } from '#api/quantity.ts'
import { costOfText, declare, type Declaration } from '#lib/cel/functions.ts'
import { Failure, Foreign, type Value } from '#lib/cel/values.ts'

const TYPE = 'kubernetes.Quantity'
const NANO = 1_000_000_000n

class QuantityValue extends Foreign {
  readonly typeName = TYPE
  readonly quantity: Quantity

  constructor(quantity: Quantity) {
    super()
    this.quantity = quantity
  }

  override equals(other: QuantityValue): boolean {
    return this.quantity.compare(other.quantity) === 0
  }

  override toString(): string {
    return this.quantity.toString()
  }
}

function parse(text: string): Quantity | QuantityError {
  try {
    return Quantity.parse(text)
  } catch (error) {
    if (error instanceof QuantityError) return error
    throw error
  }
}

function quantityOf(text: string): Value {
  const parsed = parse(text)
  return parsed instanceof QuantityError ? new Failure(parsed.message) : new QuantityValue(parsed)
}

/** Upstream takes for an integer what int64 holds without rest. */
function whole({ quantity: { nanos } }: QuantityValue): bigint | undefined {
  const value = nanos / NANO
  return nanos % NANO === 0n && value < 2n ** 63n && value >= -(2n ** 63n) ? value : undefined
}

const amount = (other: QuantityValue | bigint): Quantity => (typeof other === 'bigint' ? Quantity.of(other) : other.quantity)

export const quantityFunctions = (): Declaration[] => [
  declare(
    `quantity(string): ${TYPE}`,
    (_, text) => quantityOf(text),
    costOfText,
    () => 25,
  ),
  declare(
    'isQuantity(string): bool',
    (_, text) => !(parse(text) instanceof QuantityError),
    costOfText,
    () => 25,
  ),
  declare(`${TYPE}~sign(): int`, (_, one: QuantityValue) => BigInt(one.quantity.sign)),
  declare(`${TYPE}~isInteger(): bool`, (_, one: QuantityValue) => whole(one) !== undefined),
  declare(`${TYPE}~asInteger(): int`, (_, one: QuantityValue) => whole(one) ?? new Failure('cannot convert value to integer')),
  declare(`${TYPE}~asApproximateFloat(): double`, (_, one: QuantityValue) => Number(one.quantity.nanos) / 1e9),
  declare(
    `${TYPE}~isGreaterThan(${TYPE}): bool`,
    (_, one: QuantityValue, other: QuantityValue) => one.quantity.compare(other.quantity) > 0,
  ),
  declare(`${TYPE}~isLessThan(${TYPE}): bool`, (_, one: QuantityValue, other: QuantityValue) => one.quantity.compare(other.quantity) < 0),
  declare(`${TYPE}~compareTo(${TYPE}): int`, (_, one: QuantityValue, other: QuantityValue) => BigInt(one.quantity.compare(other.quantity))),
  ...[TYPE, 'int'].flatMap((type) => [
    declare(`${TYPE}~add(${type}): ${TYPE}`, (_, one: QuantityValue, other) => new QuantityValue(one.quantity.add(amount(other)))),
    declare(`${TYPE}~sub(${type}): ${TYPE}`, (_, one: QuantityValue, other) => new QuantityValue(one.quantity.sub(amount(other)))),
  ]),
]
