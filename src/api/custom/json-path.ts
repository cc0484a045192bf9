// The JSON paths of printer columns and selectable fields: fields, positions, slices, wildcards and filters that compare one path with a literal.
import { getOwn, isObject } from '#api/clone.ts'

type Step =
  | { type: 'field'; name: string }
  | { type: 'index'; at: number }
  | { type: 'slice'; from: number | undefined; to: number | undefined }
  | { type: 'all' }
  | { type: 'filter'; path: JsonPath; operator: string; literal: unknown }

export class JsonPathError extends Error {
  override name = 'JsonPathError'
}

const FIELD = /^\.((?:[^.[\]\\'"\s(){}]|\\.)+)/
const INDEX = /^\[(-?\d+)\]/
const SLICE = /^\[(-?\d*):(-?\d*)\]/
const QUOTED = /^\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/
const FILTER =
  /^\[\?\(\s*@((?:[^=!<>\s'"]|\['[^']*'\])*)(?:\s*(==|!=|<=|>=|<|>)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?[\d.]+|true|false))?\s*\)\]/

export class JsonPath {
  readonly #steps: readonly Step[]

  private constructor(steps: readonly Step[]) {
    this.#steps = steps
  }

  /** Throws JsonPathError for what is no path. */
  static parse(text: string): JsonPath {
    const steps: Step[] = []
    let rest = text
    while (rest !== '') {
      const [step, length] = stepOf(rest) ?? []
      if (!step) throw new JsonPathError(`unrecognized path at ${JSON.stringify(rest)}`)
      steps.push(step)
      rest = rest.slice(length)
    }
    return new JsonPath(steps)
  }

  /** Names of fields, where the path is made of nothing else. */
  get fields(): string[] | undefined {
    const names = this.#steps.map((step) => (step.type === 'field' ? step.name : undefined))
    return names.every((name) => name !== undefined) ? names : undefined
  }

  find(value: unknown): unknown[] {
    return this.#steps.reduce<unknown[]>((values, step) => values.flatMap((one) => take(one, step)), [value])
  }
}

function stepOf(rest: string): [Step, number] | undefined {
  const unescape = (text: string) => text.replaceAll(/\\(.)/g, '$1')
  const all = /^(?:\.\*|\[\*\])/.exec(rest)
  if (all) return [{ type: 'all' }, all[0].length]
  const field = FIELD.exec(rest)
  if (field) return [{ type: 'field', name: unescape(field[1]!) }, field[0].length]
  const quoted = QUOTED.exec(rest)
  if (quoted) return [{ type: 'field', name: unescape(quoted[1] ?? quoted[2] ?? '') }, quoted[0].length]
  const index = INDEX.exec(rest)
  if (index) return [{ type: 'index', at: Number(index[1]) }, index[0].length]
  const slice = SLICE.exec(rest)
  const bound = (text: string | undefined) => (text ? Number(text) : undefined)
  if (slice) return [{ type: 'slice', from: bound(slice[1]), to: bound(slice[2]) }, slice[0].length]
  const filter = FILTER.exec(rest)
  if (!filter) return undefined
  const [whole, path = '', operator = 'exists', literal] = filter
  return [{ type: 'filter', path: JsonPath.parse(path), operator, literal: literalOf(literal) }, whole.length]
}

function literalOf(text: string | undefined): unknown {
  if (text === undefined || text === 'true' || text === 'false') return text === undefined ? undefined : text === 'true'
  return /^['"]/.test(text) ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : Number(text)
}

function take(value: unknown, step: Step): unknown[] {
  const items = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []
  switch (step.type) {
    case 'field': {
      const member = isObject(value) ? getOwn(value, step.name) : undefined
      return member === undefined ? [] : [member]
    }
    case 'index':
      return Array.isArray(value) && value.at(step.at) !== undefined ? [value.at(step.at)] : []
    case 'slice':
      return Array.isArray(value) ? value.slice(step.from, step.to) : []
    case 'all':
      return items
    case 'filter':
      return items.filter((item) =>
        step.path.find(item).some((found) => compare(typeof found === 'bigint' ? Number(found) : found, step.operator, step.literal)),
      )
  }
}

function compare(left: unknown, operator: string, right: unknown): boolean {
  switch (operator) {
    case 'exists':
      return true
    case '==':
      return left === right
    case '!=':
      return left !== right
    default:
      if (typeof left !== typeof right || (typeof left !== 'number' && typeof left !== 'string')) return false
      if (operator.endsWith('=') && left === right) return true
      return operator.startsWith('<') ? left < (right as typeof left) : left > (right as typeof left)
  }
}
