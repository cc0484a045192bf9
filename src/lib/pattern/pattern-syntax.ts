// Regular expressions as Go writes them, read into a program of few instructions. No back references, no looking around: each can run in linear time.
// What Go refuses is refused here.

/** Consume one code point, go on in two places, look at what is left and right, or be done. */
export type Instruction =
  | { do: 'take'; fits(point: string): boolean; next: number }
  | { do: 'split'; next: readonly number[] }
  | { do: 'look'; at: Look; next: number }
  | { do: 'match' }
export type Look = 'text-begin' | 'text-end' | 'line-begin' | 'line-end' | 'word' | 'no-word'

export class PatternError extends Error {
  override name = 'PatternError'
}

const MAX_REPEAT = 1000
const MAX_INSTRUCTIONS = 20_000
const MAX_DEPTH = 200

interface Flags {
  i: boolean
  m: boolean
  s: boolean
}

/** Builds the piece of program that goes on at `next`; returns where it begins. Built from behind, so repetition just builds again. */
type Piece = (next: number) => number

/** The program and where it begins. Throws PatternError. */
export function readPattern(pattern: string): { program: readonly Instruction[]; start: number } {
  const reader = new Reader(pattern)
  const piece = reader.alternatives({ i: false, m: false, s: false }, 0)
  if (!reader.done) throw new PatternError('unexpected )')
  return { start: piece(reader.add({ do: 'match' })), program: reader.program }
}

class Reader {
  readonly program: Instruction[] = []
  readonly #points: string[]
  #at = 0
  #repetitions = 0

  constructor(pattern: string) {
    this.#points = [...pattern]
  }

  get done(): boolean {
    return this.#at >= this.#points.length
  }

  add(instruction: Instruction): number {
    if (this.program.length >= MAX_INSTRUCTIONS) throw new PatternError('expression too large')
    return this.program.push(instruction) - 1
  }

  alternatives(flags: Flags, depth: number): Piece {
    if (depth > MAX_DEPTH) throw new PatternError('expression nests too deeply')
    // Flags set within an alternative hold to the end of the group.
    const own = { ...flags }
    const pieces = [this.#sequence(own, depth)]
    while (this.#accept('|')) pieces.push(this.#sequence(own, depth))
    if (pieces.length === 1) return pieces[0]!
    return (next) => this.add({ do: 'split', next: pieces.map((piece) => piece(next)) })
  }

  #sequence(flags: Flags, depth: number): Piece {
    const pieces: Piece[] = []
    while (!this.done && !this.#sees('|') && !this.#sees(')')) {
      const piece = this.#atom(flags, depth)
      if (piece) pieces.push(this.#repeated(piece))
    }
    return (next) => pieces.reduceRight((then, piece) => piece(then), next)
  }

  #repeated(piece: Piece): Piece {
    const bounds = this.#bounds()
    if (!bounds) return piece
    // Of two ways to go on, the first is preferred: which text a match takes hangs on it, whether there is one does not.
    const lazy = this.#accept('?')
    const either = (more: number, enough: number) => (lazy ? [enough, more] : [more, enough])
    if (this.#sees('*') || this.#sees('+') || this.#sees('?') || this.#countAt())
      throw new PatternError('invalid nested repetition operator')
    const [from, to] = bounds
    const optional: Piece = (next) => this.add({ do: 'split', next: either(piece(next), next) })
    return (next) => {
      let then = next
      if (to === Infinity) {
        const loop: number[] = []
        then = this.add({ do: 'split', next: loop })
        loop.push(...either(piece(then), next))
      } else for (let count = from; count < to; count++) then = optional(then)
      for (let count = 0; count < from; count++) {
        // What repeats nothing costs time all the same.
        if (++this.#repetitions > MAX_INSTRUCTIONS) throw new PatternError('expression too large')
        then = piece(then)
      }
      return then
    }
  }

  #bounds(): [number, number] | undefined {
    if (this.#accept('*')) return [0, Infinity]
    if (this.#accept('+')) return [1, Infinity]
    if (this.#accept('?')) return [0, 1]
    const count = this.#countAt()
    if (!count) return undefined
    this.#at += count[0].length
    const from = Number(count[1])
    const to = count[2] === undefined ? from : count[3] ? Number(count[3]) : Infinity
    if (from > MAX_REPEAT || (to !== Infinity && to > MAX_REPEAT) || to < from) throw new PatternError('invalid repeat count')
    return [from, to]
  }

  /** Braces that count nothing stand for themselves. */
  #countAt(): RegExpExecArray | null {
    return /^\{(\d+)(,(\d*))?\}/.exec(this.#points.slice(this.#at, this.#at + 12).join(''))
  }

  #atom(flags: Flags, depth: number): Piece | undefined {
    const point = this.#take()
    switch (point) {
      case '(':
        return this.#group(flags, depth)
      case '[':
        return this.#class(flags)
      case '.':
        return flags.s ? this.#taking(() => true) : this.#taking((one) => one !== '\n')
      case '^':
        return this.#looking(flags.m ? 'line-begin' : 'text-begin')
      case '$':
        return this.#looking(flags.m ? 'line-end' : 'text-end')
      case '*':
      case '+':
      case '?':
        throw new PatternError('missing argument to repetition operator')
      case '\\':
        return this.#escape(flags)
      default:
        return this.#literal(point, flags)
    }
  }

  #group(flags: Flags, depth: number): Piece | undefined {
    let inner = flags
    if (this.#accept('?')) {
      const head = /^(?:P?<([A-Za-z_]\w*)>|([imsU]*)(?:-([imsU]+))?([:)]))/.exec(this.#points.slice(this.#at, this.#at + 80).join(''))
      if (!head) throw new PatternError('invalid or unsupported Perl syntax')
      this.#at += [...head[0]].length
      if (head[1] === undefined) {
        const target = head[4] === ')' ? flags : (inner = { ...flags })
        for (const flag of head[2] ?? '') if (flag !== 'U') target[flag as keyof Flags] = true
        for (const flag of head[3] ?? '') if (flag !== 'U') target[flag as keyof Flags] = false
        if (head[4] === ')') return undefined
      }
    }
    const piece = this.alternatives(inner, depth + 1)
    if (!this.#accept(')')) throw new PatternError('missing closing )')
    return piece
  }

  #escape(flags: Flags): Piece {
    if (this.done) throw new PatternError('trailing backslash at end of expression')
    const look = LOOKS[this.#points[this.#at]!]
    if (look) {
      this.#at++
      return this.#looking(look)
    }
    if (this.#accept('Q')) {
      const rest = this.#points.slice(this.#at).join('')
      const end = rest.indexOf('\\E')
      const quoted = [...(end < 0 ? rest : rest.slice(0, end))]
      this.#at += quoted.length + (end < 0 ? 0 : 2)
      const pieces = quoted.map((one) => this.#literal(one, flags))
      return (next) => pieces.reduceRight((then, piece) => piece(then), next)
    }
    const { source, literal } = this.#escaped()
    return literal === undefined ? this.#fitting(`[${source}]`, flags) : this.#literal(literal, flags)
  }

  /** Behind a backslash, in a class or not: one code point, or a source for our own classes. */
  #escaped(): { source: string; literal?: string } {
    const point = this.#take()
    const named = NAMED[point]
    if (named !== undefined) return { source: named }
    if (point === 'p' || point === 'P') {
      const name = this.#accept('{') ? this.#until('}') : this.#take()
      const inverted = name.startsWith('^')
      const property = inverted ? name.slice(1) : name
      const spelled = property.length > 2 ? `Script=${property}` : property
      return { source: `\\${(point === 'P') === inverted ? 'p' : 'P'}{${spelled}}` }
    }
    const control = CONTROLS[point]
    if (control !== undefined) return { source: quote(control), literal: control }
    if (point === 'x') {
      const digits = this.#accept('{') ? this.#until('}') : this.#take() + this.#take()
      const code = /^[0-9A-Fa-f]{1,6}$/.test(digits) ? Number.parseInt(digits, 16) : Infinity
      if (code > 0x10ffff) throw new PatternError('invalid escape sequence')
      return { source: quote(String.fromCodePoint(code)), literal: String.fromCodePoint(code) }
    }
    if (/[A-Za-z0-9]/.test(point)) throw new PatternError('invalid escape sequence')
    return { source: quote(point), literal: point }
  }

  #class(flags: Flags): Piece {
    let source = this.#accept('^') ? '^' : ''
    for (let first = true; first || !this.#sees(']'); first = false) {
      if (this.done) throw new PatternError('missing closing ]')
      const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#points.slice(this.#at, this.#at + 12).join(''))
      if (posix) {
        const members = POSIX[posix[2]!]
        if (members === undefined) throw new PatternError('invalid character class range')
        source += posix[1] ? `\\P{ASCII}${inverse(members)}` : members
        this.#at += posix[0].length
        continue
      }
      const point = this.#take()
      const from = point === '\\' ? this.#escaped() : { source: quote(point), literal: point }
      source += from.source
      const ranges = from.literal !== undefined && this.#sees('-') && this.#points[this.#at + 1] !== ']'
      if (!ranges) continue
      this.#at++
      const end = this.#take()
      const to = end === '\\' ? this.#escaped() : { source: quote(end), literal: end }
      if (to.literal === undefined || to.literal.codePointAt(0)! < from.literal!.codePointAt(0)!)
        throw new PatternError('invalid character class range')
      source += `-${to.source}`
    }
    this.#at++
    return this.#fitting(`[${source}]`, flags)
  }

  #literal(point: string, { i }: Flags): Piece {
    return i ? this.#fitting(`[${quote(point)}]`, { i }) : this.#taking((one) => one === point)
  }

  #fitting(source: string, { i }: Pick<Flags, 'i'>): Piece {
    let one: RegExp
    try {
      one = new RegExp(`^${source}$`, i ? 'ui' : 'u')
    } catch (error) {
      throw new PatternError('invalid character class', { cause: error })
    }
    return this.#taking((point) => one.test(point))
  }

  #taking(fits: (point: string) => boolean): Piece {
    return (next) => this.add({ do: 'take', fits, next })
  }

  #looking(at: Look): Piece {
    return (next) => this.add({ do: 'look', at, next })
  }

  #sees(point: string): boolean {
    return this.#points[this.#at] === point
  }

  #accept(point: string): boolean {
    if (!this.#sees(point)) return false
    this.#at++
    return true
  }

  #take(): string {
    if (this.done) throw new PatternError('unexpected end of expression')
    return this.#points[this.#at++]!
  }

  #until(end: string): string {
    let text = ''
    for (let point = this.#take(); point !== end; point = this.#take()) text += point
    return text
  }
}

const quote = (point: string): string => `\\u{${point.codePointAt(0)!.toString(16)}}`

const LOOKS: Partial<Record<string, Look>> = { A: 'text-begin', z: 'text-end', b: 'word', B: 'no-word' }
const NAMED: Partial<Record<string, string>> = {
  d: '0-9',
  D: '\\u{0}-\\u{2f}\\u{3a}-\\u{10ffff}',
  w: '0-9A-Za-z_',
  W: '\\u{0}-\\u{2f}\\u{3a}-\\u{40}\\u{5b}-\\u{5e}\\u{60}\\u{7b}-\\u{10ffff}',
  s: '\\t\\n\\f\\r ',
  S: '\\u{0}-\\u{8}\\u{b}\\u{e}-\\u{1f}\\u{21}-\\u{10ffff}',
}
const CONTROLS: Partial<Record<string, string>> = { a: '\x07', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }
const POSIX: Partial<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\u{0}-\\u{7f}',
  blank: '\\t ',
  cntrl: '\\u{0}-\\u{1f}\\u{7f}',
  digit: '0-9',
  graph: '\\u{21}-\\u{7e}',
  lower: 'a-z',
  print: '\\u{20}-\\u{7e}',
  punct: '\\u{21}-\\u{2f}\\u{3a}-\\u{40}\\u{5b}-\\u{60}\\u{7b}-\\u{7e}',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
}

/** The ASCII characters a class leaves out, as members of another. */
function inverse(members: string): string {
  const within = new RegExp(`[${members}]`, 'u')
  return Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))
    .filter((point) => !within.test(point))
    .map(quote)
    .join('')
}
