// A profile in the form of Google's pprof (profile.proto), which `go tool pprof` and others read: stacks with what was measured of each.
import { LENGTH, VARINT } from '#api/codec/protobuf-reader.ts'
import { ProtobufWriter } from '#api/codec/protobuf-writer.ts'

export interface Frame {
  functionName: string
  /** Where the function is. */
  url: string
  /** From 0; below that where there is none. */
  lineNumber: number
}

export interface Measure {
  type: string
  unit: string
}

export interface Profile {
  /** What each value of a stack says. */
  measures: readonly Measure[]
  /** The innermost frame first. */
  stacks: readonly { frames: readonly Frame[]; values: readonly number[] }[]
  /** How far apart looks were. */
  period: Measure & { value: number }
  atMs: number
  durationMs: number
}

/** Fields by number, as profile.proto has them. */
const PROFILE = {
  sampleType: 1,
  sample: 2,
  location: 4,
  function: 5,
  texts: 6,
  timeNanos: 9,
  durationNanos: 10,
  periodType: 11,
  period: 12,
}

/** Not compressed. */
export function pprof({ measures, stacks, period, atMs, durationMs }: Profile): Buffer {
  const texts = new Ordinals([''])
  // A function and its one location have the same number.
  const functions = new Ordinals<string>()
  const frames: Frame[] = []
  const places = stacks.map((stack) =>
    stack.frames.map((frame) => {
      const at = functions.of(`${frame.url}\n${frame.lineNumber}\n${frame.functionName}`)
      frames[at] ??= frame
      return at + 1
    }),
  )
  const writer = new ProtobufWriter()
  const number = (field: number, value: number) => {
    writer.signed(value)
    writer.tag(field, VARINT)
  }
  const packed = (field: number, values: readonly number[]) =>
    writer.nested(field, () => {
      for (const value of values.toReversed()) writer.signed(value)
    })
  const measure = (field: number, { type, unit }: Measure) =>
    writer.nested(field, () => {
      number(2, texts.of(unit))
      number(1, texts.of(type))
    })
  number(PROFILE.period, period.value)
  measure(PROFILE.periodType, period)
  number(PROFILE.durationNanos, Math.round(durationMs * 1e6))
  writer.signed(BigInt(Math.round(atMs)) * 1_000_000n)
  writer.tag(PROFILE.timeNanos, VARINT)
  for (const [at, { functionName, url, lineNumber }] of [...frames.entries()].toReversed()) {
    writer.nested(PROFILE.function, () => {
      number(5, lineNumber + 1)
      number(4, texts.of(url))
      number(3, texts.of(functionName))
      number(2, texts.of(functionName))
      number(1, at + 1)
    })
    writer.nested(PROFILE.location, () => {
      writer.nested(4, () => {
        number(2, lineNumber + 1)
        number(1, at + 1)
      })
      number(1, at + 1)
    })
  }
  for (const [at, { values }] of [...stacks.entries()].toReversed()) {
    writer.nested(PROFILE.sample, () => {
      packed(2, values)
      packed(1, places[at]!)
    })
  }
  for (const one of measures.toReversed()) measure(PROFILE.sampleType, one)
  // All of them are known by now; they come first, back to front.
  for (const text of texts.all.toReversed()) {
    writer.string(text)
    writer.tag(PROFILE.texts, LENGTH)
  }
  return writer.finish()
}

/** Numbers for what occurs, from 0 in the order of the first time. */
class Ordinals<T> {
  readonly #known = new Map<T, number>()

  constructor(first: readonly T[] = []) {
    for (const one of first) this.of(one)
  }

  of(one: T): number {
    const known = this.#known.get(one)
    if (known !== undefined) return known
    this.#known.set(one, this.#known.size)
    return this.#known.size - 1
  }

  get all(): T[] {
    return [...this.#known.keys()]
  }
}
