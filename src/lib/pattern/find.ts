// Where a pattern matches: all ways to go on are followed side by side, in the order they are preferred, so time stays linear in text times program.
import type { Instruction } from './pattern-syntax.ts'
import { holds, pointAt, type Side, sideOf } from './sides.ts'

export interface FinderOptions {
  start: number
  text: string
  spend: (steps: number) => void
}

/** Places of the program in order of preference, each with where its match began. */
interface Threads {
  places: number[]
  starts: number[]
}

export class Finder {
  readonly #program: readonly Instruction[]
  readonly #start: number
  readonly #text: string
  readonly #spend: (steps: number) => void
  readonly #met: Uint32Array
  #round = 0

  constructor(program: readonly Instruction[], { start, text, spend }: FinderOptions) {
    this.#program = program
    this.#start = start
    this.#text = text
    this.#spend = spend
    this.#met = new Uint32Array(program.length)
  }

  next(from: number): [number, number] | undefined {
    const text = this.#text
    let threads: Threads = { places: [], starts: [] }
    let found: [number, number] | undefined
    let before = from === 0 ? 'edge' : sideOf(lastPoint(text, from))
    for (let at = from; ; ) {
      const point = pointAt(text, at)
      const after = point === '' ? 'edge' : sideOf(point)
      // While nothing is found a match may begin anywhere, after those that began before.
      const waiting = found ? threads : { places: [...threads.places, this.#start], starts: [...threads.starts, at] }
      const reached = this.#reach(waiting, before, after)
      this.#spend(reached.places.length + 1)
      const next: Threads = { places: [], starts: [] }
      for (const [index, place] of reached.places.entries()) {
        const instruction = this.#program[place]!
        const start = reached.starts[index]!
        if (instruction.do === 'match') {
          found = [start, at]
          break
        }
        if (instruction.do === 'take' && point !== '' && instruction.fits(point)) {
          next.places.push(instruction.next)
          next.starts.push(start)
        }
      }
      if (point === '' || (found && next.places.length === 0)) return found
      threads = next
      before = after
      at += point.length
    }
  }

  /** Everywhere the threads lead without taking anything: what is met first keeps its place. */
  #reach({ places, starts }: Threads, before: Side, after: Side): Threads {
    const reached: Threads = { places: [], starts: [] }
    const round = ++this.#round
    for (const [index, first] of places.entries()) {
      const waiting = [first]
      for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
        if (this.#met[place] === round) continue
        this.#met[place] = round
        const instruction = this.#program[place]!
        if (instruction.do === 'split') for (let way = instruction.next.length - 1; way >= 0; way--) waiting.push(instruction.next[way]!)
        else if (instruction.do === 'look') {
          if (holds(instruction.at, before, after)) waiting.push(instruction.next)
        } else {
          reached.places.push(place)
          reached.starts.push(starts[index]!)
        }
      }
    }
    return reached
  }
}

/** The code point that ends there. */
function lastPoint(text: string, end: number): string {
  const low = (text.charCodeAt(end - 1) & 0xfc00) === 0xdc00
  return text.slice(low && end > 1 ? end - 2 : end - 1, end)
}
