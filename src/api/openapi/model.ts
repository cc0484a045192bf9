// What OpenAPI says of the API, before it is spelled in one of its versions: paths, operations, parameters.
import type { GroupVersionKind } from '#api/object.ts'

export interface Parameter {
  name: string
  in: 'query' | 'path'
  type: 'string' | 'integer' | 'boolean'
  description?: string
}

/** A definition by name, or a plain string. */
export type Shape = { definition: string } | 'string'

export type Method = 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch'

export interface Operation {
  method: Method
  id: string
  description: string
  tag: string
  action?: string
  kind?: GroupVersionKind
  parameters: readonly Parameter[]
  body?: { definition: string; required: boolean }
  consumes: readonly string[]
  produces: readonly string[]
  /** Code, its name, what comes with it. */
  responses: readonly (readonly [code: number, name: string, shape?: Shape])[]
}

export interface PathItem {
  path: string
  operations: readonly Operation[]
}

const nameOf = (parameter: Parameter) => `${parameter.in} ${parameter.name}`

/** Parameters that every operation of a path has, and what each has beyond them; both by name. */
export function shareParameters({ operations }: PathItem): { common: Parameter[]; own: Map<Operation, Parameter[]> } {
  const counts = new Map<string, number>()
  for (const { parameters } of operations) for (const one of parameters) counts.set(nameOf(one), (counts.get(nameOf(one)) ?? 0) + 1)
  const shared = (one: Parameter) => counts.get(nameOf(one)) === operations.length
  const byName = (a: Parameter, b: Parameter) => (nameOf(a) < nameOf(b) ? -1 : 1)
  const common = (operations[0]?.parameters ?? []).filter(shared).toSorted(byName)
  const own = new Map(operations.map((operation) => [operation, operation.parameters.filter((one) => !shared(one)).toSorted(byName)]))
  return { common, own }
}
