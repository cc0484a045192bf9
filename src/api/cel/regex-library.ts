// matches, find and findAll. Patterns are Go's and run in linear time: none can stop the loop.
import { declare, type Declaration, type Run } from '#lib/cel/functions.ts'
import { Failure, Items, type Value } from '#lib/cel/values.ts'
import { LruMap } from '#lib/lru-map.ts'
import { compilePattern, type Pattern } from '#lib/pattern/pattern.ts'

const KEPT = 200

class Patterns {
  readonly #known = new LruMap<string, Pattern | false>(KEPT)

  has(pattern: string): boolean {
    return this.#known.get(pattern) !== undefined
  }

  get(pattern: string): Pattern | undefined {
    const known = this.#known.get(pattern)
    if (known !== undefined) return known || undefined
    const made = compilePattern(pattern)
    this.#known.set(pattern, made ?? false)
    return made
  }
}

export function regexFunctions(): Declaration[] {
  const patterns = new Patterns()
  const using = (pattern: string, act: (compiled: Pattern) => Value): Value => {
    const compiled = patterns.get(pattern)
    return compiled ? act(compiled) : new Failure(`error parsing regexp: invalid or unsupported pattern: \`${pattern}\``)
  }
  const cost = (text: string, pattern: string): number => Math.ceil((1 + text.length) / 10) * Math.ceil(pattern.length / 4)
  // A pattern met for the first time is compiled: a short one that repeats a lot is long then.
  const compiling = (text: string, pattern: string): number => {
    const met = patterns.has(pattern)
    const size = patterns.get(pattern)?.size ?? 0
    return text.length / 2 + (met ? 0 : size * 4)
  }
  const matches = ({ meter }: Run, text: string, pattern: string) =>
    using(pattern, (compiled) => compiled.test(text, (steps) => meter.work(steps * 2)))
  const spender =
    ({ meter }: Run) =>
    (steps: number) =>
      meter.work(steps * 4)
  const find = (run: Run, text: string, pattern: string) =>
    using(pattern, (compiled) => {
      const [span] = compiled.findAll(text, 1, spender(run))
      return span ? text.slice(...span) : ''
    })
  const findAll = (run: Run, text: string, pattern: string, limit = -1n) =>
    using(
      pattern,
      (compiled) =>
        new Items(compiled.findAll(text, limit < 0n ? Infinity : Number(limit), spender(run)).map((span) => text.slice(...span))),
    )
  return [
    declare('matches(string, string): bool', matches, cost, compiling),
    declare('string~matches(string): bool', matches, cost, compiling),
    declare('string~find(string): string', find, cost, compiling),
    declare('string~findAll(string): list<string>', findAll, cost, compiling),
    declare('string~findAll(string, int): list<string>', findAll, cost, compiling),
  ]
}
