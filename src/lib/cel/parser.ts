// Reads an expression by recursive descent, with the messages and positions of CEL's own parser. Depth and size are bounded, so no later walk can run
// out of stack.
import type { Expr, List, MapLiteral, Struct } from './ast.ts'
import { type Token, tokenize } from './lexer.ts'
import { expandMacro } from './macros.ts'
import type { Issue } from './source.ts'

const MAX_DEPTH = 250
const MAX_SOURCE = 100_000
const MAX_ISSUES = 30
const PRIMARY = `{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}`
const BINARY_ENDS = `'==', '!=', 'in', '<', '<=', '>=', '>', '&&', '||', '[', '.', '-', '?', '+', '*', '/', '%%'`.replace('%%', '%')
const RELATIONS: Readonly<Record<string, string>> = {
  '==': '_==_',
  '!=': '_!=_',
  '<': '_<_',
  '<=': '_<=_',
  '>': '_>_',
  '>=': '_>=_',
  in: '@in',
}
const SUMS: Readonly<Record<string, string>> = { '+': '_+_', '-': '_-_' }
const PRODUCTS: Readonly<Record<string, string>> = { '*': '_*_', '/': '_/_', '%': '_%_' }
const RESERVED = new Set(
  'as break const continue else false for function if import in let loop null package namespace return true var void while'.split(' '),
)
const MAX_INT = 2n ** 63n - 1n

export interface Dialect {
  /** Whether there is `cel.bind(name, value, expression)`. */
  bindings?: boolean
}

export function parse(source: string, dialect: Dialect = {}): { expr: Expr | undefined; issues: Issue[] } {
  if (source.length > MAX_SOURCE) {
    const size = [...source].length
    if (size > MAX_SOURCE)
      return {
        expr: undefined,
        issues: [{ at: 0, message: `expression code point size exceeds limit: size: ${size}, limit ${MAX_SOURCE}` }],
      }
  }
  const { tokens, issues } = tokenize(source)
  if (issues.length > 0) return { expr: undefined, issues: issues.slice(0, MAX_ISSUES) }
  const parser = new Parser(tokens, { issues, dialect })
  return { expr: parser.whole(), issues }
}

/** Thrown to give up at the first error of syntax: what follows would only confuse. */
class SyntaxStop extends Error {}

class Parser {
  readonly #tokens: readonly Token[]
  readonly #issues: Issue[]
  readonly #dialect: Dialect
  #next = 0
  #depth = 0

  constructor(tokens: readonly Token[], { issues, dialect }: { issues: Issue[]; dialect: Dialect }) {
    this.#tokens = tokens
    this.#issues = issues
    this.#dialect = dialect
  }

  whole(): Expr | undefined {
    try {
      const expr = this.#expr()
      const token = this.#peek()
      if (token.kind !== 'end') {
        const last = this.#tokens[this.#next + 1]?.kind === 'end'
        if (last) this.#syntax(token, `extraneous input '${token.text}' expecting {<EOF>, ${BINARY_ENDS}}`)
        this.#syntax(token, `mismatched input '${token.text}' expecting {<EOF>, ${BINARY_ENDS}}`)
      }
      return this.#issues.length > 0 ? undefined : expr
    } catch (error) {
      if (error instanceof SyntaxStop) return undefined
      throw error
    }
  }

  #expr(): Expr {
    if (++this.#depth > MAX_DEPTH) this.#tooDeep()
    const condition = this.#logical('||')
    const question = this.#peek()
    if (!this.#accept('?')) {
      this.#depth--
      return condition
    }
    const yes = this.#logical('||')
    this.#expect(':')
    const no = this.#expr()
    this.#depth--
    return call('_?_:_', question.at, [condition, yes, no])
  }

  #logical(operator: '||' | '&&'): Expr {
    const terms = [operator === '||' ? this.#logical('&&') : this.#relation()]
    const places: number[] = []
    for (let token = this.#peek(); this.#accept(operator); token = this.#peek()) {
      places.push(token.at)
      terms.push(operator === '||' ? this.#logical('&&') : this.#relation())
    }
    return balance(`_${operator}_`, { terms, places }, [0, places.length - 1])
  }

  #relation(): Expr {
    return this.#leftToRight(RELATIONS, () => this.#leftToRight(SUMS, () => this.#leftToRight(PRODUCTS, () => this.#unary())))
  }

  #leftToRight(operators: Readonly<Record<string, string>>, operand: () => Expr): Expr {
    let left = operand()
    const depth = this.#depth
    for (;;) {
      const token = this.#peek()
      const isOperator = token.kind === 'operator' || (token.kind === 'ident' && token.text === 'in')
      if (!isOperator || !Object.hasOwn(operators, token.text)) break
      if (++this.#depth > MAX_DEPTH) this.#tooDeep()
      this.#next++
      left = call(operators[token.text]!, token.at, [left, operand()])
    }
    this.#depth = depth
    return left
  }

  #unary(): Expr {
    const token = this.#peek()
    if (token.kind !== 'operator' || (token.text !== '!' && token.text !== '-')) return this.#member()
    let count = 0
    while (this.#accept(token.text)) count++
    if (token.text === '-' && count % 2 === 1) {
      const number = this.#peek()
      if ((number.kind === 'int' && count === 1) || (number.kind === 'double' && count === 1)) {
        this.#next++
        if (number.kind === 'double')
          return this.#selectors({ kind: 'constant', at: number.at, value: -(number.value as number), type: 'double' })
        const value = -(number.value as bigint)
        if (value < -MAX_INT - 1n) this.#invalidNumber(number.at, 'int')
        return this.#selectors({ kind: 'constant', at: number.at, value, type: 'int' })
      }
    }
    if (++this.#depth > MAX_DEPTH) this.#tooDeep()
    const operand = this.#member()
    this.#depth--
    // An even number of them says nothing.
    return count % 2 === 0 ? operand : call(token.text === '!' ? '!_' : '-_', token.at, [operand])
  }

  #member(): Expr {
    return this.#selectors(this.#primary())
  }

  #selectors(operand: Expr): Expr {
    const depth = this.#depth
    let expr = operand
    for (;;) {
      const token = this.#peek()
      if (token.kind !== 'operator' || (token.text !== '.' && token.text !== '[')) break
      if (++this.#depth > MAX_DEPTH) this.#tooDeep()
      this.#next++
      const optional = this.#accept('?')
      if (token.text === '[') {
        const index = this.#expr()
        this.#expect(']')
        expr = call(optional ? '_[?_]' : '_[_]', token.at, [expr, index])
        continue
      }
      const name = this.#peek()
      if (name.kind !== 'ident' && name.kind !== 'quoted-ident') this.#syntax(name, `${this.#unexpected(name)} expecting IDENTIFIER`)
      if (name.kind === 'ident' && ['true', 'false', 'null', 'in'].includes(name.text))
        this.#syntax(name, `${this.#unexpected(name)} expecting IDENTIFIER`)
      this.#next++
      const field = name.kind === 'quoted-ident' ? name.text.slice(1, -1) : name.text
      const open = this.#peek()
      if (optional) {
        const text: Expr = { kind: 'constant', at: token.at, value: field, type: 'string' }
        expr = call('_?._', token.at, [expr, text])
      } else if (name.kind === 'ident' && this.#accept('(')) {
        const args = this.#args(')')
        expr = this.#macro({ kind: 'call', at: open.at, name: field, target: expr, args })
      } else expr = { kind: 'select', at: token.at, operand: expr, field, test: false }
    }
    this.#depth = depth
    return expr
  }

  #primary(): Expr {
    const token = this.#peek()
    switch (token.kind) {
      case 'int':
        this.#next++
        if ((token.value as bigint) > MAX_INT) this.#invalidNumber(token.at, 'int')
        return { kind: 'constant', at: token.at, value: token.value!, type: 'int' }
      case 'uint':
        this.#next++
        if (token.value === undefined) this.#invalidNumber(token.at, 'uint')
        return { kind: 'constant', at: token.at, value: token.value!, type: 'uint' }
      case 'double':
      case 'string':
      case 'bytes':
        this.#next++
        return { kind: 'constant', at: token.at, value: token.value!, type: token.kind }
      case 'operator':
        return this.#bracketed(token)
      case 'ident':
        return this.#named(token)
      default:
        return this.#syntax(token, `${this.#unexpected(token)} expecting ${PRIMARY}`)
    }
  }

  #bracketed(token: Token): Expr {
    if (this.#accept('(')) {
      const expr = this.#expr()
      this.#expect(')')
      return expr
    }
    if (this.#accept('[')) return this.#list(token.at)
    if (this.#accept('{')) return this.#map(token.at)
    if (token.text === '.' && this.#tokens[this.#next + 1]?.kind === 'ident') {
      this.#next++
      const name = this.#peek()
      return this.#named({ ...name, text: name.text })
    }
    return this.#syntax(token, `${this.#unexpected(token)} expecting ${PRIMARY}`)
  }

  #named(token: Token): Expr {
    const { at, text } = token
    if (text === 'true' || text === 'false' || text === 'null') {
      this.#next++
      return text === 'null'
        ? { kind: 'constant', at, value: null, type: 'null' }
        : { kind: 'constant', at, value: text === 'true', type: 'bool' }
    }
    if (text === 'in') return this.#syntax(token, `${this.#unexpected(token)} expecting ${PRIMARY}`)
    this.#next++
    if (RESERVED.has(text)) this.#issues.push({ at, message: `reserved identifier: ${text}` })
    const open = this.#peek()
    if (this.#accept('(')) return this.#macro({ kind: 'call', at: open.at, name: text, target: undefined, args: this.#args(')') })
    return this.#struct(text) ?? { kind: 'ident', at, name: text }
  }

  /** A message is named by a path of words before the brace. */
  #struct(first: string): Struct | undefined {
    let ahead = this.#next
    let name = first
    while (this.#tokens[ahead]?.text === '.' && this.#tokens[ahead + 1]?.kind === 'ident') {
      name += `.${this.#tokens[ahead + 1]!.text}`
      ahead += 2
    }
    const brace = this.#tokens[ahead]
    if (brace?.text !== '{' || brace.kind !== 'operator') return undefined
    this.#next = ahead + 1
    const fields: Struct['fields'] = []
    while (!this.#accept('}')) {
      const optional = this.#accept('?')
      const field = this.#peek()
      if (field.kind !== 'ident' && field.kind !== 'quoted-ident')
        this.#syntax(field, `${this.#unexpected(field)} expecting {'}', ',', '?', IDENTIFIER}`)
      this.#next++
      const colon = this.#peek()
      this.#expect(':')
      fields.push({ at: colon.at, name: field.text.replaceAll('`', ''), value: this.#expr(), optional })
      if (!this.#accept(',') && this.#peek().text !== '}') this.#expect('}')
    }
    return { kind: 'struct', at: brace.at, name, fields }
  }

  #list(at: number): List {
    const items: List['items'] = []
    while (!this.#accept(']')) {
      const optional = this.#accept('?')
      items.push({ value: this.#expr(), optional })
      if (!this.#accept(',') && this.#peek().text !== ']') this.#expect(']')
    }
    return { kind: 'list', at, items }
  }

  #map(at: number): MapLiteral {
    const entries: MapLiteral['entries'] = []
    while (!this.#accept('}')) {
      const optional = this.#accept('?')
      const key = this.#expr()
      const colon = this.#peek()
      this.#expect(':')
      entries.push({ at: colon.at, key, value: this.#expr(), optional })
      if (!this.#accept(',') && this.#peek().text !== '}') this.#expect('}')
    }
    return { kind: 'map', at, entries }
  }

  #args(close: string): Expr[] {
    const args: Expr[] = []
    if (this.#accept(close)) return args
    do args.push(this.#expr())
    while (this.#accept(','))
    this.#expect(close)
    return args
  }

  #macro(expr: Extract<Expr, { kind: 'call' }>): Expr {
    const expanded = expandMacro(expr, (at, message) => this.#issues.push({ at, message }), this.#dialect)
    return expanded ?? expr
  }

  #peek(): Token {
    return this.#tokens[this.#next]!
  }

  #accept(text: string): boolean {
    const token = this.#peek()
    if (token.kind !== 'operator' || token.text !== text) return false
    this.#next++
    return true
  }

  #expect(text: string): void {
    if (this.#accept(text)) return
    const token = this.#peek()
    this.#syntax(token, `${this.#unexpected(token)} expecting '${text}'`)
  }

  #unexpected(token: Token): string {
    return `mismatched input '${token.text}'`
  }

  #invalidNumber(at: number, kind: string): void {
    this.#issues.push({ at, message: `Syntax error: invalid ${kind} literal` })
  }

  #syntax(token: Token, message: string): never {
    this.#issues.push({ at: token.at, message: `Syntax error: ${message}` })
    throw new SyntaxStop()
  }

  #tooDeep(): never {
    this.#issues.push({ at: this.#peek().at, message: `Syntax error: expression recursion limit exceeded: ${MAX_DEPTH}` })
    throw new SyntaxStop()
  }
}

function call(name: string, at: number, args: Expr[]): Expr {
  return { kind: 'call', at, name, target: undefined, args }
}

/** Chains of one logical operator become flat trees, however long they are. */
function balance(name: string, chain: { terms: Expr[]; places: number[] }, [from, to]: [number, number]): Expr {
  if (from > to) return chain.terms[from]!
  const middle = Math.floor((from + to + 1) / 2)
  const left = balance(name, chain, [from, middle - 1])
  const right = balance(name, chain, [middle + 1, to])
  return call(name, chain.places[middle]!, [left, right])
}
