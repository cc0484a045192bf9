// matches, find and findAll. Patterns are Go's and run in linear time: none can stop the loop.
import { declare, type Declaration, type Run } from '#lib/cel/functions.ts'
import { Failure, Items, type Value } from '#lib/cel/values.ts'
import { LruMap } from '#lib/lru-map.ts'
import { compilePattern, type Pattern } from '#lib/pattern/pattern.ts'

const KEPT = 200
/** Of following a pattern through a text. */
const STEPS_PER_COST = 20

export class Patterns {
  readonly #known = new LruMap<string, Pattern | false>(KEPT)

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
  // As upstream, and what a short pattern that repeats a lot costs beyond that.
  const cost = (text: string, pattern: string): number => {
    const steps = patterns.get(pattern)?.size ?? 0
    return Math.ceil((1 + text.length) / 10) * Math.ceil(Math.max(pattern.length, steps / 4) / 4)
  }
  const matches = (_: unknown, text: string, pattern: string) => using(pattern, (compiled) => compiled.test(text))
  const spender = ({ meter }: Run) => {
    let steps = 0
    return (more: number) => {
      steps += more
      if (steps < STEPS_PER_COST) return
      meter.spend(Math.floor(steps / STEPS_PER_COST))
      steps %= STEPS_PER_COST
    }
  }
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
    declare('matches(string, string): bool', matches, cost),
    declare('string~matches(string): bool', matches, cost),
    declare('string~find(string): string', find, cost),
    declare('string~findAll(string): list<string>', findAll, cost),
    declare('string~findAll(string, int): list<string>', findAll, cost),
  ]
}
