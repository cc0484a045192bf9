// The JSON text of a large value in pieces, each made in about a millisecond; put together they are what JSON.stringify makes of plain data.
// Naming the members of an object of a hundred thousand is work of its own, and done once.

/** Roughly the length of a piece. */
const PIECE_LENGTH = 32 * 1024
/** What a member costs beside its text. */
const MEMBER_COST = 8
const WIDE = 1000

/** `value` is JSON: members that are undefined are left out, nothing has a toJSON of its own. */
export function jsonTexts(value: unknown): Generator<string, void> {
  return new Texts().of(value)
}

class Texts {
  readonly #names = new Map<object, string[]>();

  *of(value: unknown): Generator<string, void> {
    if (typeof value !== 'object' || value === null || this.#isSmall(value)) yield JSON.stringify(value) ?? 'null'
    else if (Array.isArray(value)) yield* this.#items(value)
    else yield* this.#members(value as Record<string, unknown>)
  }

  *#items(items: readonly unknown[]): Generator<string, void> {
    let text = '['
    for (let i = 0; i < items.length; i++) {
      if (i > 0) text += ','
      const item = items[i] ?? null
      if (this.#isSmall(item)) text += JSON.stringify(item)
      else {
        yield text
        text = ''
        yield* this.of(item)
      }
      if (text.length < PIECE_LENGTH) continue
      yield text
      text = ''
    }
    yield `${text}]`
  }

  *#members(members: Record<string, unknown>): Generator<string, void> {
    let text = '{'
    let first = true
    for (const name of this.#namesOf(members)) {
      const member = members[name]
      if (member === undefined) continue
      text += `${first ? '' : ','}${JSON.stringify(name)}:`
      first = false
      if (this.#isSmall(member)) text += JSON.stringify(member)
      else {
        yield text
        text = ''
        yield* this.of(member)
      }
      if (text.length < PIECE_LENGTH) continue
      yield text
      text = ''
    }
    yield `${text}}`
  }

  #isSmall(value: unknown): boolean {
    return this.#cost(value, PIECE_LENGTH) < PIECE_LENGTH
  }

  /** How much there is to a value; looks no further than `most`. */
  #cost(value: unknown, most: number): number {
    if (typeof value === 'string') return value.length
    if (typeof value !== 'object' || value === null) return MEMBER_COST
    let cost = MEMBER_COST
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length && cost < most; i++) cost += this.#cost(value[i], most - cost) + MEMBER_COST
      return cost
    }
    for (const name of this.#namesOf(value)) {
      cost += this.#cost((value as Record<string, unknown>)[name], most - cost) + name.length + MEMBER_COST
      if (cost >= most) break
    }
    return cost
  }

  #namesOf(value: object): string[] {
    const known = this.#names.get(value)
    if (known) return known
    const names = Object.keys(value)
    if (names.length >= WIDE) this.#names.set(value, names)
    return names
  }
}
