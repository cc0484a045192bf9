// A large object read as its kind says by the thread that reads large bodies.
import type { FieldValidation, Reading } from '#api/codec/decode-body.ts'
import type { BodyFormat } from '#api/codec/media-type.ts'
import type { Kind } from '#api/kind.ts'
import { MAX_OBJECT_BYTES, textOf } from '#server/engine/text-of.ts'
import type { BodyReader } from './body-reader.ts'
import { readingOf } from './jobs.ts'

export interface Unread {
  format: BodyFormat
  body: Uint8Array
  expected: Kind
  fieldValidation: FieldValidation
}

/** As `readAs` would have answered; what the thread reads has the kind's defaults, too, if it is `decoded`. */
export async function readApart(bodies: Pick<BodyReader, 'read'>, { format, body, expected, fieldValidation }: Unread): Promise<Reading> {
  const { group, version, kind, schema, decode, madeOf, default: defaults } = expected
  const job = { read: 'object', format, target: { group, version, kind }, options: { fieldValidation } } as const
  if (madeOf) return readingOf(await bodies.read({ ...job, custom: await textOf(madeOf, MAX_OBJECT_BYTES) }, body))
  if (decode || !schema.name) return readingOf(await bodies.read(job, body))
  return readingOf(await bodies.read({ ...job, definition: schema.name, ...(defaults ? { defaults: true } : {}) }, body))
}
