// Label selectors: the string grammar (`a=b,c in (d,e),!f`), the LabelSelector object, matching and printing. Errors are BadRequest with upstream's texts.
import { lowerBound } from '#lib/sorted-keys.ts'
import { byKey, compareTexts } from '#lib/order.ts'
import type { LabelSelector } from './generated/types.ts'
import { labelValueMessages, qualifiedName } from './names.ts'
import { StatusError } from './status.ts'

export type LabelOperator = 'in' | 'notin' | '=' | '==' | '!=' | 'gt' | 'lt' | 'exists' | '!'

export interface LabelRequirement {
  key: string
  operator: LabelOperator
  /** Without repetition; in order where they are many. */
  values: readonly string[]
}

/** More values than these are searched by halves: thousands of watchers may each ask about thousands. */
const MANY = 16

/** All requirements must hold; none at all selects everything. `nothing` selects nothing. */
export interface Selector {
  requirements: readonly LabelRequirement[]
  nothing?: boolean
}

type Labels = Readonly<Record<string, string>>

const BINARY = ['in', 'notin', '=', '==', '!=', 'gt', 'lt'] as const
const MAX_LENGTH = 65_536

export function parseLabelSelector(text: string): Selector {
  if (text.length > MAX_LENGTH) throw bad(`label selector is longer than ${MAX_LENGTH} characters`)
  return { requirements: new Parser(text).parse().sort((a, b) => compareTexts(a.key, b.key)) }
}

/** Absent selects nothing, empty everything. */
export function selectorOf(selector: LabelSelector | undefined): Selector {
  if (!selector) return { requirements: [], nothing: true }
  const requirements: LabelRequirement[] = []
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) requirements.push(requirement(key, '=', [value]))
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const known = OPERATORS.get(operator)
    if (!known) throw bad(`${JSON.stringify(operator)} is not a valid label selector operator`)
    requirements.push(requirement(key, known, values))
  }
  return { requirements: requirements.sort((a, b) => compareTexts(a.key, b.key)) }
}

const OPERATORS = new Map<string, LabelOperator>([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
])

export function matchesLabels(selector: Selector, labels: Labels = {}): boolean {
  if (selector.nothing) return false
  for (const one of selector.requirements) if (!meets(one, labels)) return false
  return true
}

export function formatLabelSelector(selector: Selector): string {
  return selector.requirements.map(formatRequirement).join(',')
}

function meets({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'exists':
      return value !== undefined
    case '!':
      return value === undefined
    case '=':
    case '==':
    case 'in':
      return value !== undefined && includes(values, value)
    case '!=':
    case 'notin':
      return value === undefined || !includes(values, value)
    default:
      if (value === undefined || !INTEGER.test(value)) return false
      return operator === 'gt' ? BigInt(value) > BigInt(values[0]!) : BigInt(value) < BigInt(values[0]!)
  }
}

function includes(values: readonly string[], value: string): boolean {
  if (values.length <= MANY) return values.includes(value)
  return values[lowerBound(values, value)] === value
}

const INTEGER = /^-?\d{1,19}$/

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  if (operator === 'exists') return key
  if (operator === '!') return `!${key}`
  if (operator === 'in' || operator === 'notin') return `${key} ${operator} (${[...values].sort().join(',')})`
  const sign = operator === 'gt' ? '>' : operator === 'lt' ? '<' : operator
  return `${key}${sign}${values[0]}`
}

function requirement(key: string, operator: LabelOperator, given: readonly string[]): LabelRequirement {
  const values = [...new Set(given)]
  const errors: string[] = []
  const invalid = (path: string, value: string, detail: string) =>
    errors.push(`${path}: Invalid value: ${JSON.stringify(value)}: ${detail}`)
  const keyErrors = qualifiedName(key)
  if (keyErrors.length) invalid('key', key, keyErrors.join('; '))
  if (operator === 'in' || operator === 'notin') {
    if (!values.length) errors.push("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
  } else if (operator === 'exists' || operator === '!') {
    if (values.length)
      errors.push(`values: Invalid value: ${JSON.stringify(values)}: values set must be empty for exists and does not exist`)
  } else if (operator === 'gt' || operator === 'lt') {
    if (!INTEGER.test(values[0] ?? '')) invalid('values[0]', values[0] ?? '', "for 'Gt', 'Lt' operators, the value must be an integer")
  }
  for (const [index, value] of values.entries()) {
    const messages = labelValueMessages(value)
    if (messages.length) invalid(`values[${index}][${key}]`, value, messages.join('; '))
  }
  if (errors.length) throw bad(errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`)
  return { key, operator, values: values.length > MANY ? values.sort() : values }
}

interface Token {
  type: 'end' | 'identifier' | 'symbol' | 'error'
  text: string
}

/** Recursive descent over tokens; the words in, notin are operators only where an operator may stand. */
class Parser {
  readonly #tokens: Token[]
  #position = 0

  constructor(text: string) {
    this.#tokens = tokenize(text)
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = []
    for (;;) {
      const next = this.#peek()
      if (next.type === 'end') return requirements
      if (next.type !== 'identifier' && next.text !== '!') {
        throw bad(`found '${next.text}', expected: !, identifier, or 'end of string'`)
      }
      requirements.push(this.#requirement())
      const after = this.#take()
      if (after.type === 'end') return requirements
      if (after.text !== ',' || after.type !== 'symbol') throw bad(`found '${after.text}', expected: ',' or 'end of string'`)
      const following = this.#peek()
      if (following.type !== 'identifier' && following.text !== '!') throw bad(`found '${following.text}', expected: identifier after ','`)
    }
  }

  #requirement(): LabelRequirement {
    try {
      let first = this.#take()
      const absent = first.type === 'symbol' && first.text === '!'
      if (absent) first = this.#take()
      if (first.type !== 'identifier') throw bad(`found '${first.text}', expected: identifier`)
      const messages = qualifiedName(first.text)
      if (messages.length) throw bad(`<nil>: Invalid value: ${JSON.stringify(first.text)}: ${messages.join('; ')}`)
      const next = this.#peek()
      if (absent) return requirement(first.text, '!', [])
      if (next.type === 'end' || this.#at(',')) return requirement(first.text, 'exists', [])
      const operator = this.#operator()
      return requirement(first.text, operator, operator === 'in' || operator === 'notin' ? this.#values() : [this.#value()])
    } catch (error) {
      if (error instanceof StatusError) throw bad(`unable to parse requirement: ${error.message}`)
      throw error
    }
  }

  #operator(): LabelOperator {
    const { text } = this.#take()
    if (text === '>') return 'gt'
    if (text === '<') return 'lt'
    if (text === '=' || text === '==' || text === '!=' || text === 'in' || text === 'notin') return text
    throw bad(`found '${text}', expected: ${BINARY.join(', ')}`)
  }

  #value(): string {
    if (this.#peek().type === 'end' || this.#at(',')) return ''
    const { type, text } = this.#take()
    if (type !== 'identifier') throw bad(`found '${text}', expected: identifier`)
    return text
  }

  #values(): string[] {
    const open = this.#take()
    if (open.text !== '(') throw bad(`found '${open.text}' expected: '('`)
    if (this.#at(')')) {
      this.#take()
      return []
    }
    const values: string[] = []
    for (;;) {
      if (this.#peek().type === 'identifier') values.push(this.#take().text)
      else if (this.#at(',') || this.#at(')')) values.push('')
      else throw bad(`found '${this.#peek().text}', expected: ',', ')' or identifier`)
      const after = this.#take()
      if (after.text === ')') return values
      if (after.text !== ',') throw bad(`found '${after.text}', expected: ',' or ')'`)
    }
  }

  #peek(): Token {
    return this.#tokens[this.#position] ?? END
  }

  #take(): Token {
    return this.#tokens[this.#position++] ?? END
  }

  #at(symbol: string): boolean {
    const next = this.#peek()
    return next.type === 'symbol' && next.text === symbol
  }
}

const END: Token = { type: 'end', text: '' }
const SYMBOL = /[=!(),<>]/

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  for (const [part] of text.matchAll(/==|!=|[=!(),<>]|[^=!(),<>\s]+/g)) {
    tokens.push({ type: SYMBOL.test(part) ? 'symbol' : 'identifier', text: part })
  }
  return tokens
}

function bad(message: string): StatusError {
  return new StatusError('BadRequest', message)
}

/** As Go prints a pointer to one. */
export function goSelector(selector: LabelSelector | undefined): string {
  if (!selector) return 'nil'
  const labels = Object.entries(selector.matchLabels ?? {})
    .toSorted(byKey)
    .map(([key, value]) => `${key}: ${value},`)
  const expressions = (selector.matchExpressions ?? []).map(
    ({ key, operator, values = [] }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  )
  const requirements = `[]LabelSelectorRequirement{${expressions.join('')}}`
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:${requirements},}`
}
