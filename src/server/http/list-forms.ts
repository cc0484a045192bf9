// Lists in other forms than the stored one, item by item: Tables, metadata only, YAML, protobuf, JSON for people. What is sent is what `encode` makes
// of the whole document; but neither the document nor its text is ever held, and everyone else gets turns in between.
import { encodeMessage } from '#api/codec/protobuf-encode.ts'
import { envelopeAround } from '#api/codec/protobuf-envelope.ts'
import type { Message } from '#api/codec/protobuf-tables.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { listDefinitionOf } from '#api/openapi/definition-names.ts'
import { type IncludeObject, tableOf } from '#api/table.ts'
import { encode, messageFor } from './encode.ts'
import { repeatsKind } from './list-stream.ts'
import type { Negotiated } from './negotiate.ts'
import { partialMetadata } from './partial-metadata.ts'

/** All that an item's form depends on, but for its kind. */
export interface ItemForm {
  negotiated: Negotiated
  pretty: boolean
  includeObject: IncludeObject
  now: number
  /** Not in a list: metadata only, as a document of its own. */
  alone?: true
}

export type Part = string | Uint8Array

/** Characters of JSON in front of what is inside of two lists: one less than behind it. */
const NESTED = 5

/** One item as it stands in a list of the form. */
export function itemPart(kind: Kind<any>, object: KubeObject, { negotiated, pretty, includeObject, now, alone }: ItemForm): Part {
  const { as, metaVersion, format } = negotiated
  const item = as
    ? as === 'Table'
      ? tableOf(kind, [object], { now, version: metaVersion, includeObject }).rows[0]!
      : partialMetadata(object, metaVersion)
    : repeatsKind(kind)
      ? object
      : bare(object)
  const message = messageFor(negotiated, listDefinitionOf(kind))
  if (alone) return encode(item, { format, pretty, message }).body
  if (message) return encodeMessage({ items: [item] }, message)
  if (format === 'yaml') return encode([item], { format }).body
  return pretty ? JSON.stringify([[item]], null, 2).slice(NESTED, -NESTED - 1) : JSON.stringify(item)
}

function bare({ kind: _kind, apiVersion: _version, ...item }: KubeObject): object {
  return item
}

export interface ListParts {
  before: Part
  between: string
  after: Part
}

/** What stands around the items of `document`, which has none. `length`: of all items, in protobuf. */
export function aroundItems(
  document: { kind: string; apiVersion: string },
  {
    negotiated: { format },
    pretty,
    message,
    length,
  }: Pick<ItemForm, 'negotiated' | 'pretty'> & { message: Message | undefined; length: number },
): ListParts {
  if (message) {
    const head = encodeMessage(document, message)
    const { before, after } = envelopeAround(head.length + length, document)
    return { before: Buffer.concat([before, head]), between: '', after }
  }
  if (format === 'yaml') {
    const text = encode(document, { format }).body as string
    const [before = '', after = ''] = text.split(/(?<=^(?:items|rows):) \[\](?=\n)/m)
    return { before: before.concat('\n'), between: '', after: after.slice(1) }
  }
  const text = encode(document, { format, pretty }).body as string
  const at = text.lastIndexOf(']')
  return { before: text.slice(0, at), between: ',', after: pretty ? `\n  ${text.slice(at)}` : text.slice(at) }
}
