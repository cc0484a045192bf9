// Macros: calls that stand for folds. What they become is what CEL's own macros become, so costs and errors come out alike.
import type { Call, Expr, Fold } from './ast.ts'

export const ACCUMULATOR = '@result'
type Tell = (at: number, message: string) => void
type Expand = (macro: Call & { target: Expr }, tell: Tell) => Expr | undefined

/** undefined where the call is no macro, and stays. */
export function expandMacro(macro: Call, tell: Tell, { bindings = false }: { bindings?: boolean } = {}): Expr | undefined {
  const { name, target, args } = macro
  if (target === undefined) return name === 'has' && args.length === 1 ? expandHas(macro, tell) : undefined
  if (bindings && name === 'bind' && args.length === 3 && target.kind === 'ident' && target.name === 'cel') return expandBind(macro, tell)
  return MACROS.get(`${name}/${args.length}`)?.(macro as Call & { target: Expr }, tell)
}

function expandHas({ args, at }: Call, tell: Tell): Expr | undefined {
  const [arg] = args
  if (arg?.kind === 'select') return { kind: 'select', at, operand: arg.operand, field: arg.field, test: true }
  tell(arg!.at, 'invalid argument to has() macro')
  return undefined
}

function expandBind({ args, at }: Call, tell: Tell): Expr | undefined {
  const name = nameOf(args[0]!, tell, 'cel.bind() variable names must be simple identifiers')
  return name === undefined ? undefined : bind(name, args[1]!, { body: args[2]!, at })
}

function bind(name: string, start: Expr, { body, at }: { body: Expr; at: number }): Fold {
  return {
    kind: 'fold',
    at,
    range: list(at, []),
    variable: '#unused',
    second: undefined,
    accumulator: name,
    start,
    condition: bool(at, false),
    step: { kind: 'ident', at, name },
    result: body,
  }
}

const bool = (at: number, value: boolean): Expr => ({ kind: 'constant', at, value, type: 'bool' })
const int = (at: number, value: bigint): Expr => ({ kind: 'constant', at, value, type: 'int' })
const list = (at: number, items: Expr[]): Expr => ({ kind: 'list', at, items: items.map((value) => ({ value, optional: false })) })
const accumulated = (at: number): Expr => ({ kind: 'ident', at, name: ACCUMULATOR })
const call = (name: string, at: number, args: Expr[]): Expr => ({ kind: 'call', at, name, target: undefined, args })

function nameOf(arg: Expr, tell: Tell, message = 'argument must be a simple name'): string | undefined {
  if (arg.kind === 'ident' && arg.name !== ACCUMULATOR) return arg.name
  tell(arg.at, message)
  return undefined
}

type Parts = Pick<Fold, 'start' | 'condition' | 'step' | 'result'>

/** A fold over one or two variables; `build` makes its parts of the arguments after them. */
function folding(variables: 1 | 2, build: (rest: Expr[], at: number, variable: Expr) => Parts): Expand {
  return ({ target, args, at }, tell) => {
    const names = args.slice(0, variables).map((arg) => nameOf(arg, tell))
    if (names.includes(undefined)) return undefined
    if (variables === 2 && names[0] === names[1]) {
      tell(args[1]!.at, `duplicate variable name: ${names[1]}`)
      return undefined
    }
    return {
      kind: 'fold',
      at,
      range: target,
      variable: names[0]!,
      second: variables === 2 ? names[1] : undefined,
      accumulator: ACCUMULATOR,
      ...build(args.slice(variables), at, args[0]!),
    }
  }
}

const all = ([test]: Expr[], at: number): Parts => ({
  start: bool(at, true),
  condition: call('@not_strictly_false', at, [accumulated(at)]),
  step: call('_&&_', at, [accumulated(at), test!]),
  result: accumulated(at),
})
const exists = ([test]: Expr[], at: number): Parts => ({
  start: bool(at, false),
  condition: call('@not_strictly_false', at, [call('!_', at, [accumulated(at)])]),
  step: call('_||_', at, [accumulated(at), test!]),
  result: accumulated(at),
})
const existsOne = ([test]: Expr[], at: number): Parts => ({
  start: int(at, 0n),
  condition: bool(at, true),
  step: call('_?_:_', at, [test!, call('_+_', at, [accumulated(at), int(at, 1n)]), accumulated(at)]),
  result: call('_==_', at, [accumulated(at), int(at, 1n)]),
})

/** Collects; with a test before it, only what passes. */
const collect =
  (start: (at: number) => Expr, add: (made: Expr, at: number) => Expr) =>
  (rest: Expr[], at: number): Parts => {
    const step = add(rest.at(-1)!, at)
    return {
      start: start(at),
      condition: bool(at, true),
      step: rest.length > 1 ? call('_?_:_', at, [rest[0]!, step, accumulated(at)]) : step,
      result: accumulated(at),
    }
  }
const toList = collect(
  (at) => list(at, []),
  (made, at) => call('_+_', at, [accumulated(at), list(at, [made])]),
)
const emptyMap = (at: number): Expr => ({ kind: 'map', at, entries: [] })
const filter = ([test]: Expr[], at: number, variable: Expr): Parts => toList([test!, variable], at)

const toMap =
  () =>
  ({ target, args, at }: Call & { target: Expr }, tell: Tell): Expr | undefined => {
    const key = args[0]!
    const expand = folding(
      2,
      collect(emptyMap, (made, place) => call('cel.@mapInsert', place, [accumulated(place), key, made])),
    )
    return expand({ kind: 'call', name: 'transformMap', target, args, at }, tell)
  }
const toMapEntry = folding(
  2,
  collect(emptyMap, (made, at) => call('cel.@mapInsert', at, [accumulated(at), made])),
)

const mapping =
  (flat: boolean): Expand =>
  ({ target, args, at }, tell) => {
    const name = nameOf(args[0]!, tell, `${flat ? 'optFlatMap' : 'optMap'}() variable name must be a simple identifier`)
    if (name === undefined) return undefined
    // The target is evaluated once: chains of these would double otherwise with every link.
    const optional: Expr = { kind: 'ident', at, name: '@target' }
    const method = (method: string): Expr => ({ kind: 'call', at, name: method, target: optional, args: [] })
    const made = bind(name, method('value'), { body: args[1]!, at })
    const body = call('_?_:_', at, [method('hasValue'), flat ? made : call('optional.of', at, [made]), call('optional.none', at, [])])
    return bind('@target', target, { body, at })
  }

const MACROS: ReadonlyMap<string, Expand> = new Map<string, Expand>([
  ['all/2', folding(1, all)],
  ['exists/2', folding(1, exists)],
  ['exists_one/2', folding(1, existsOne)],
  ['existsOne/2', folding(1, existsOne)],
  ['map/2', folding(1, toList)],
  ['map/3', folding(1, toList)],
  ['filter/2', folding(1, filter)],
  ['all/3', folding(2, all)],
  ['exists/3', folding(2, exists)],
  ['exists_one/3', folding(2, existsOne)],
  ['existsOne/3', folding(2, existsOne)],
  ['transformList/3', folding(2, toList)],
  ['transformList/4', folding(2, toList)],
  ['transformMap/3', toMap()],
  ['transformMap/4', toMap()],
  ['transformMapEntry/3', toMapEntry],
  ['transformMapEntry/4', toMapEntry],
  ['optMap/2', mapping(false)],
  ['optFlatMap/2', mapping(true)],
])
