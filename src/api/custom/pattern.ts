// Whether a text holds a match of a Go pattern, in time linear in the text whatever the pattern: who writes a definition must not be able to stop
// the loop. All places of the program that may go on are followed at once; the sets of places met so far are remembered.
import { type Instruction, type Look, PatternError, readPattern } from './pattern-syntax.ts'

/** Returns undefined for what Go would not take as a regular expression. */
export function compilePattern(pattern: string): Pattern | undefined {
  try {
    return new Pattern(pattern)
  } catch (error) {
    if (error instanceof PatternError) return undefined
    throw error
  }
}

/** What stands beside a place between two code points. */
type Side = 'edge' | 'newline' | 'word' | 'other'

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

  test(text: string): boolean {
    let state = this.#state([this.#start], 'edge')
    for (const point of text) {
      let next = state.next.get(point)
      if (!next) {
        next = this.#step(state, point)
        if (state.next.size < MAX_STATES) state.next.set(point, next)
      }
      if (next === 'match') return true
      state = next
    }
    return this.#reach(state, 'edge') === 'match'
  }

  #step(state: State, point: string): State | 'match' {
    const after = sideOf(point)
    const reached = this.#reach(state, after)
    if (reached === 'match') return 'match'
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

function sideOf(point: string): Side {
  if (point === '\n') return 'newline'
  return /^\w$/.test(point) ? 'word' : 'other'
}

function holds(look: Look, before: Side, after: Side): boolean {
  switch (look) {
    case 'text-begin':
      return before === 'edge'
    case 'text-end':
      return after === 'edge'
    case 'line-begin':
      return before === 'edge' || before === 'newline'
    case 'line-end':
      return after === 'edge' || after === 'newline'
    case 'word':
      return (before === 'word') !== (after === 'word')
    case 'no-word':
      return (before === 'word') === (after === 'word')
  }
}
