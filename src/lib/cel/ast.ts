// What an expression is once it is read: macros are gone, operators are calls of `_+_` and the like, every node knows where it stands in the source.
import type { Value } from './values.ts'

export interface Ident {
  kind: 'ident'
  at: number
  name: string
}
export interface Select {
  kind: 'select'
  at: number
  operand: Expr
  field: string
  /** `has(operand.field)`. */
  test: boolean
}
export interface Call {
  kind: 'call'
  at: number
  name: string
  target: Expr | undefined
  args: Expr[]
}
export interface List {
  kind: 'list'
  at: number
  items: { value: Expr; optional: boolean }[]
}
export interface MapEntry {
  at: number
  key: Expr
  value: Expr
  optional: boolean
}
export interface MapLiteral {
  kind: 'map'
  at: number
  entries: MapEntry[]
}
export interface Struct {
  kind: 'struct'
  at: number
  name: string
  fields: { at: number; name: string; value: Expr; optional: boolean }[]
}
/** A fold: every macro that walks a list or a map is one. */
export interface Fold {
  kind: 'fold'
  at: number
  range: Expr
  variable: string
  /** The second variable, of macros with two. */
  second: string | undefined
  accumulator: string
  start: Expr
  condition: Expr
  step: Expr
  result: Expr
}
export interface Constant {
  kind: 'constant'
  at: number
  value: Value
  type: 'bool' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'null'
}
export type Expr = Constant | Ident | Select | Call | List | MapLiteral | Struct | Fold
