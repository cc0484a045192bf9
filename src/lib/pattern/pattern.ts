// Whether a text holds a match of a Go pattern, in time linear in the text whatever the pattern: who writes a definition must not be able to stop
// the loop. All places of the program that may go on are followed at once; the sets of places met so far are remembered.
import { Finder } from './find.ts'
import { type Instruction, PatternError, readPattern } from './pattern-syntax.ts'
import { holds, pointAt, type Side, sideOf } from './sides.ts'

/** What Go would say of a pattern that is none; undefined for one that is. */
export function patternProblem(pattern: string): string | undefined {
  try {
    readPattern(pattern)
    return undefined
  } catch (error) {
    if (error instanceof PatternError) return error.message
    throw error
  }
}

/** Returns undefined for what Go would not take as a regular expression. */
export function compilePattern(pattern: string): Pattern | undefined {
  try {
    return new Pattern(pattern)
  } catch (error) {
    if (error instanceof PatternError) return undefined
    throw error
  }
}

interface State {
  places: readonly number[]
  before: Side
  next: Map<string, State | 'match'>
}

const MAX_STATES = 500

export class Pattern {
  readonly #program: readonly Instruction[]
  readonly #start: number
  #states = new Map<string, State>()

  constructor(pattern: string) {
    const { program, start } = readPattern(pattern)
    this.#program = program
    this.#start = start
  }

  /** How many steps its program has: what one character may cost. */
  get size(): number {
    return this.#program.length
  }

  /** Where matches are, leftmost first and without overlap, as Go finds them. `spend` is told of the work, now and then. */
  findAll(text: string, limit: number, spend: (steps: number) => void = () => {}): [from: number, to: number][] {
    const finder = new Finder(this.#program, { start: this.#start, text, spend })
    const spans: [number, number][] = []
    let lastEnd = -1
    for (let from = 0; from <= text.length && spans.length < limit; ) {
      const span = finder.next(from)
      if (!span) break
      // An empty match right behind another is none.
      if (span[0] !== span[1] || span[0] !== lastEnd) spans.push(span)
      lastEnd = span[1]
      from = span[1] > span[0] ? span[1] : span[1] + pointAt(text, span[1]).length || text.length + 1
    }
    return spans
  }

  /** `spend` is told of the work on what was not met before. */
  test(text: string, spend: (steps: number) => void = () => {}): boolean {
    let state = this.#state([this.#start], 'edge')
    for (const point of text) {
      let next = state.next.get(point)
      if (!next) {
        next = this.#step(state, point, spend)
        if (state.next.size < MAX_STATES) state.next.set(point, next)
      }
      if (next === 'match') return true
      state = next
    }
    return this.#reach(state, 'edge') === 'match'
  }

  #step(state: State, point: string, spend: (steps: number) => void): State | 'match' {
    const after = sideOf(point)
    const reached = this.#reach(state, after)
    if (reached === 'match') return 'match'
    spend(reached.size + 4)
    // A match may begin anywhere.
    const places = new Set([this.#start])
    for (const place of reached) {
      const instruction = this.#program[place]!
      if (instruction.do === 'take' && instruction.fits(point)) places.add(instruction.next)
    }
    return this.#state([...places], after)
  }

  /** Everywhere the state's places lead without consuming anything. */
  #reach({ places, before }: State, after: Side): Set<number> | 'match' {
    const reached = new Set<number>()
    const waiting = [...places]
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      if (reached.has(place)) continue
      reached.add(place)
      const instruction = this.#program[place]!
      if (instruction.do === 'match') return 'match'
      if (instruction.do === 'split') waiting.push(...instruction.next)
      else if (instruction.do === 'look' && holds(instruction.at, before, after)) waiting.push(instruction.next)
    }
    return reached
  }

  #state(places: number[], before: Side): State {
    const key = `${before} ${places.sort((a, b) => a - b).join()}`
    const known = this.#states.get(key)
    if (known) return known
    if (this.#states.size >= MAX_STATES) this.#states = new Map()
    const state: State = { places, before, next: new Map() }
    this.#states.set(key, state)
    return state
  }
}
