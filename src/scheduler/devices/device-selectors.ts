// What claims and classes ask of devices, in CEL. Compiled once, answered once for each device and expression; loaded when the first claim comes.
import { DEVICE } from '#api/cel/device.ts'
import { celEnvironment, type CelProgram, compileCel, BOOL, STRING } from '#api/cel/environment.ts'
import type { DeviceAttribute, DeviceSelector } from '#api/generated/types.ts'
import { Entries, MapValue, type Value } from '#lib/cel/values.ts'
import type { PooledDevice } from './pools.ts'

const MAX_PROGRAMS = 1024

/** With the words that say where it stands. */
export interface PlacedSelector extends DeviceSelector {
  place: string
}

export class DeviceSelectors {
  readonly #environment = celEnvironment({ variables: { device: DEVICE }, bindings: true })
  readonly #programs = new Map<string, CelProgram>()
  readonly #parsers = Object.fromEntries(
    ['quantity', 'semver'].map((name) => [name, compileCel(`${name}(text)`, celEnvironment({ variables: { text: STRING } }))]),
  ) as Record<'quantity' | 'semver', CelProgram>
  /** Devices are replaced, never changed. */
  readonly #views = new WeakMap<object, { device: Record<string, unknown>; answers: Map<string, boolean> }>()

  /** Throws for an expression that does not compile or cannot be answered, and says whose it is. */
  matches(selectors: readonly PlacedSelector[], pooled: PooledDevice): boolean {
    let view = this.#views.get(pooled.device)
    for (const { cel, place } of selectors) {
      const { expression } = cel ?? { expression: 'false' }
      if (!view) this.#views.set(pooled.device, (view = { device: this.#viewOf(pooled), answers: new Map() }))
      let answer = view.answers.get(expression)
      if (answer === undefined) {
        const { device } = view
        const program = orSay(`${place}: CEL compile error`, () => this.#compiled(expression))
        answer = orSay(`${place}: CEL runtime error`, () => program.evaluate({ device })) === true
        view.answers.set(expression, answer)
      }
      if (!answer) return false
    }
    return true
  }

  #compiled(expression: string): CelProgram {
    let program = this.#programs.get(expression)
    if (!program) {
      program = compileCel(expression, this.#environment, { expects: [BOOL] })
      if (this.#programs.size >= MAX_PROGRAMS) this.#programs.clear()
      this.#programs.set(expression, program)
    }
    return program
  }

  #viewOf({ driver, device }: PooledDevice): Record<string, unknown> {
    const attributes = new Domains()
    for (const [name, attribute] of Object.entries(device.attributes ?? {}))
      attributes.add(...split(name, driver), this.#attribute(attribute))
    const capacity = new Domains()
    for (const [name, { value }] of Object.entries(device.capacity ?? {}))
      capacity.add(...split(name, driver), this.#parsers.quantity.evaluateValue({ text: value }))
    return { driver, attributes, capacity, allowMultipleAllocations: device.allowMultipleAllocations ?? false }
  }

  #attribute({ bool, int, string, version }: DeviceAttribute): Value {
    if (version !== undefined) return this.#parsers.semver.evaluateValue({ text: version })
    if (int !== undefined) return BigInt(int)
    return bool ?? string ?? null
  }
}

function orSay<T>(what: string, ask: () => T): T {
  try {
    return ask()
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error })
  }
}

/** `domain/name`; names without a domain are the driver's own. */
function split(name: string, driver: string): [domain: string, name: string] {
  const at = name.indexOf('/')
  return at < 0 ? [driver, name] : [name.slice(0, at), name.slice(at + 1)]
}

/** Every domain is there: nothing is in those the driver knows nothing of. */
class Domains extends MapValue {
  readonly #domains = new Map<string, Entries>()

  get size(): number {
    return this.#domains.size
  }

  get(key: Value): Value | undefined {
    return this.#domains.get(String(key)) ?? new Entries()
  }

  keys(): Value[] {
    return [...this.#domains.keys()]
  }

  add(domain: string, name: string, value: Value): void {
    const entries = this.#domains.get(domain) ?? new Entries()
    entries.add(name, value)
    this.#domains.set(domain, entries)
  }
}
