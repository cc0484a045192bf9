// Which type fits where one is asked for. Type variables are bound as they meet types; what did not fit leaves no bindings behind.
import { DYN, Type, typeParam } from './types.ts'

export class Unifier {
  readonly #bindings = new Map<string, Type>()
  #trail: [name: string, before: Type | undefined][] = []
  #fresh = 0

  variable(): Type {
    return typeParam(`_var${this.#fresh++}`)
  }

  /** All or nothing. */
  fit(wanted: readonly Type[], given: readonly Type[]): boolean {
    const mark = this.#trail.length
    if (wanted.length === given.length && wanted.every((type, at) => this.#fits(type, given[at]!, 0))) return true
    while (this.#trail.length > mark) {
      const [name, before] = this.#trail.pop()!
      if (before) this.#bindings.set(name, before)
      else this.#bindings.delete(name)
    }
    return false
  }

  /** With what variables are bound to; free ones stay, or become dyn. */
  resolve(type: Type, free: 'keep' | 'dyn' = 'keep'): Type {
    if (type.kind === 'param') {
      const bound = this.#bindings.get(type.name)
      if (bound) return this.resolve(bound, free)
      return free === 'dyn' ? DYN : type
    }
    if (type.params.length === 0) return type
    const params = type.params.map((one) => this.resolve(one, free))
    return params.every((one, at) => one === type.params[at]) ? type : withParams(type, params)
  }

  #fits(wanted: Type, given: Type, depth: number): boolean {
    if (wanted === given) return true
    if (depth > 100) return false
    if (wanted.kind === 'param') return this.#bind(wanted, given, depth)
    if (given.kind === 'param') return this.#bind(given, wanted, depth)
    if (isWild(wanted) || isWild(given)) return true
    if (wanted.kind === 'null' || given.kind === 'null') return takesNull(wanted.kind === 'null' ? given : wanted)
    if (wanted.kind !== given.kind) return false
    if (wanted.kind === 'type') return true
    if (wanted.kind === 'object' || wanted.kind === 'opaque') return wanted.name === given.name
    return wanted.params.every((param, at) => this.#fits(param, given.params[at]!, depth + 1))
  }

  #bind(variable: Type, type: Type, depth: number): boolean {
    const bound = this.#bindings.get(variable.name)
    if (bound === undefined) {
      if (type.kind === 'param' && this.resolve(type) === variable) return true
      if (this.#mentions(type, variable.name)) return false
      this.#set(variable.name, type)
      return true
    }
    if (!this.#fits(bound, type, depth + 1)) return false
    // The wider of both from now on.
    if (type.kind === 'dyn' && bound.kind !== 'param') this.#set(variable.name, type)
    return true
  }

  #set(name: string, type: Type): void {
    this.#trail.push([name, this.#bindings.get(name)])
    this.#bindings.set(name, type)
  }

  #mentions(type: Type, name: string): boolean {
    if (type.kind !== 'param') return type.params.some((param) => this.#mentions(param, name))
    if (type.name === name) return true
    const bound = this.#bindings.get(type.name)
    return bound !== undefined && this.#mentions(bound, name)
  }
}

const isWild = ({ kind }: Type): boolean => kind === 'dyn' || kind === 'error'
const takesNull = ({ kind }: Type): boolean =>
  kind === 'null' || kind === 'object' || kind === 'opaque' || kind === 'timestamp' || kind === 'duration' || kind === 'optional'

function withParams(type: Type, params: readonly Type[]): Type {
  const { maxSize, minSize } = type
  return new Type(type.kind, type.name, {
    params,
    ...(maxSize === undefined ? {} : { maxSize }),
    ...(minSize === undefined ? {} : { minSize }),
  })
}

/** Named type variables become fresh ones: each use of a function has its own. */
export function renamed(types: readonly Type[], unifier: Unifier): Type[] {
  const fresh = new Map<string, Type>()
  const rename = (type: Type): Type => {
    if (type.kind === 'param') {
      const known = fresh.get(type.name) ?? unifier.variable()
      fresh.set(type.name, known)
      return known
    }
    return type.params.length === 0 ? type : withParams(type, type.params.map(rename))
  }
  return types.map(rename)
}
