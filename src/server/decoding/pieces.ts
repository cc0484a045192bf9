// A large JSON value in texts that are each read in about a millisecond, so that whoever puts it together can let others have a turn between them.
import { getOwn, setOwn } from '#api/clone.ts'
import { parseExactly } from '#lib/exact-json.ts'

/** One step of putting a value together: what is at `path` becomes, or gets more of, what `text` says. */
export interface Piece {
  path: readonly (string | number)[]
  how: 'whole' | 'members' | 'items'
  text: string
}

/** Roughly the bytes of a piece's text. */
const PIECE_BYTES = 64 * 1024
/** What a member costs to read beside its bytes. */
const MEMBER_BYTES = 16

type Container = Record<string, unknown> | unknown[]

export function piecesOf(value: unknown): Piece[] {
  const sizes = new Map<Container, number>()
  const pieces: Piece[] = []
  // A text stays whole, however long.
  if (typeof value !== 'object' || sizeOf(value, sizes) <= PIECE_BYTES)
    return [{ path: [], how: 'whole', text: JSON.stringify(value) ?? 'null' }]
  divide(value as Container, [], { sizes, pieces })
  return pieces
}

/** `turn` is awaited after every piece but the last. */
export async function assemble(pieces: readonly Piece[], turn: () => Promise<unknown>, parse = parseExactly): Promise<unknown> {
  let root: unknown
  for (const [index, { path, how, text }] of pieces.entries()) {
    if (index > 0) await turn()
    const part: unknown = parse(text)
    const last = path.at(-1)
    if (how === 'whole') {
      if (last === undefined) root = part
      else put(at(root, path.slice(0, -1)) as Container, last, part)
    } else if (how === 'items') (at(root, path) as unknown[]).push(...(part as unknown[]))
    else {
      const target = at(root, path) as Record<string, unknown>
      for (const key of Object.keys(part as object)) setOwn(target, key, getOwn(part as object, key))
    }
  }
  return root
}

function divide(
  value: Container,
  path: readonly (string | number)[],
  out: { sizes: ReadonlyMap<Container, number>; pieces: Piece[] },
): void {
  const { sizes, pieces } = out
  const isList = Array.isArray(value)
  pieces.push({ path, how: 'whole', text: isList ? '[]' : '{}' })
  let batch: Container = isList ? [] : {}
  let weight = 0
  const flush = () => {
    if (weight > 0) pieces.push({ path, how: isList ? 'items' : 'members', text: JSON.stringify(batch) })
    batch = isList ? [] : {}
    weight = 0
  }
  for (const key of Object.keys(value)) {
    const name = isList ? Number(key) : key
    const member = getOwn(value, key)
    const size = (sizes.get(member as Container) ?? sizeOf(member, undefined)) + key.length + MEMBER_BYTES
    if (size > PIECE_BYTES && typeof member === 'object' && member !== null) {
      flush()
      divide(member as Container, [...path, name], out)
      continue
    }
    put(batch, isList ? (batch as unknown[]).length : name, member)
    weight += size
    if (weight > PIECE_BYTES) flush()
  }
  flush()
}

/** Remembers the sizes of large containers: the others are small enough to be measured again. */
function sizeOf(value: unknown, sizes: Map<Container, number> | undefined): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  let size = 2
  if (Array.isArray(value)) for (const item of value) size += sizeOf(item, sizes) + MEMBER_BYTES
  else for (const key of Object.keys(value)) size += sizeOf(getOwn(value, key), sizes) + key.length + MEMBER_BYTES
  if (size > PIECE_BYTES) sizes?.set(value as Container, size)
  return size
}

function put(target: Container, key: string | number, value: unknown): void {
  if (typeof key === 'number') (target as unknown[])[key] = value
  else setOwn(target, key, value)
}

function at(root: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((value, key) => (typeof key === 'number' ? (value as unknown[])[key] : getOwn(value as object, key)), root)
}
