// What the protobuf forms of OpenAPI, those of gnostic, have in common: fields by number, named entries, extensions, and a document in pieces.
// Each path and definition is a piece of its own; the pieces are joined behind their lengths, so nothing large is built twice.
import { isObject } from '#api/clone.ts'
import { FIXED64, LENGTH, VARINT } from '#api/codec/protobuf-reader.ts'
import { ProtobufWriter } from '#api/codec/protobuf-writer.ts'
import { Pace } from '#lib/paced.ts'
import { slices } from './slices.ts'
import { subtreesOf } from './subtrees.ts'

type Json = Record<string, unknown>
export type Entries = [name: string, document: Json][]

export function piece(write: (writer: ProtobufWriter) => void): Buffer {
  const writer = new ProtobufWriter()
  write(writer)
  return writer.finish()
}

export type Write = (writer: ProtobufWriter, value: any) => void

/** Named entries, each encoded as field `number` of the message that holds them all. */
export async function pieces(number: number, entries: Entries, write: Write): Promise<Buffer[]> {
  const pause = slices()
  const buffers: Buffer[] = []
  for (const entry of entries) {
    const writer = new ProtobufWriter()
    writer.nested(number, () => named(writer, entry, write))
    buffers.push(writer.finish())
    await pause()
  }
  return buffers
}

/** The same of schemas, whose contents `write` writes: each may be large. `enclosed` writes what holds one. */
export async function schemaPieces(
  number: number,
  entries: Entries,
  { write, enclosed }: { write: Write; enclosed: Write },
): Promise<Buffer[]> {
  const pace = new Pace(SCHEMAS_PER_TURN)
  const buffers: Buffer[] = []
  for (const entry of entries) {
    const written = new Map<object, Uint8Array>()
    for (const part of await pace.run(subtreesOf(entry[1], schemasWithin, SCHEMAS_PER_TURN))) {
      written.set(
        part,
        piece((writer) => write(writer, part)),
      )
      await pace.after(SCHEMAS_PER_TURN)
    }
    const writer = new ProtobufWriter(undefined, written)
    writer.nested(number, () => named(writer, entry, enclosed))
    buffers.push(writer.finish())
  }
  return buffers
}

/** Some 5 ms. */
const SCHEMAS_PER_TURN = 1000

function* schemasWithin({ properties = {}, items, additionalProperties, allOf, oneOf, anyOf, not }: Json): Generator<Json> {
  for (const inner of [...Object.values(properties as Json), items, additionalProperties, allOf, oneOf, anyOf, not].flat())
    if (isObject(inner)) yield inner
}

/** A message of these pieces, as field `number` of the document. */
export function joined(number: number, buffers: Buffer[]): Buffer[] {
  const head = new ProtobufWriter(16)
  head.unsigned(buffers.reduce((sum, { length }) => sum + length, 0))
  head.tag(number, LENGTH)
  return [head.finish(), ...buffers]
}

// The writer works back to front: within a message the field with the greatest number comes first.

export function text(writer: ProtobufWriter, number: number, value: string): void {
  writer.string(value)
  writer.tag(number, LENGTH)
}

function named(writer: ProtobufWriter, [name, value]: [string, unknown], write: Write): void {
  writer.nested(2, () => write(writer, value))
  text(writer, 1, name)
}

export type Row = readonly [key: string, number: number, write?: Write | 'boolean' | 'integer' | 'double']

/** Rows in the order of their numbers; a list is a repeated field, a row without a writer is text. */
export function writeFields(writer: ProtobufWriter, object: Json, rows: readonly Row[]): void {
  for (const [key, number, write] of rows.toReversed()) {
    const value = object[key]
    if (value === undefined) continue
    for (const item of Array.isArray(value) ? value.toReversed() : [value]) {
      if (write === 'boolean' || write === 'integer') {
        writer.signed(Number(item))
        writer.tag(number, VARINT)
      } else if (write === 'double') {
        writer.double(Number(item))
        writer.tag(number, FIXED64)
      } else if (write) writer.nested(number, () => write(writer, item))
      else text(writer, number, String(item))
    }
  }
}

/** Vendor extensions: everything that begins with `x-`, as YAML, of which JSON is a form. */
export function writeExtensions(writer: ProtobufWriter, object: Json, number: number): void {
  for (const key of Object.keys(object)
    .filter((one) => one.startsWith('x-'))
    .toReversed()) {
    writer.nested(number, () => named(writer, [key, object[key]], any))
  }
}

export const any: Write = (writer, value) => text(writer, 2, JSON.stringify(value))

/** The entries of an object, each a named message in field `number`. */
export function members(writer: ProtobufWriter, number: number, value: Json, write: Write): void {
  for (const entry of Object.entries(value).toReversed()) writer.nested(number, () => named(writer, entry, write))
}
