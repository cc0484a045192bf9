// The text of a large value, made in slices, and how much of it anybody keeps.
import { StatusError } from '#api/status.ts'
import { jsonTexts } from '#lib/json-texts.ts'
import { nextTurn } from '#lib/paced.ts'

const MIB = 1024 * 1024
/** Of JSON. A body at its largest, and what a server adds: etcd would keep less. */
export const MAX_OBJECT_BYTES = 4 * MIB
/** Of an object of so many fields: what etcd keeps, 1.5 MiB of protobuf, is about this much of JSON. */
export const MAX_HEAVY_BYTES = 2 * MIB

/** Made in slices. Throws StatusError where nobody would keep so much. */
export async function textOf(value: unknown, most = MAX_HEAVY_BYTES): Promise<Buffer> {
  const parts: Buffer[] = []
  await nextTurn()
  let size = 0
  for (const text of jsonTexts(value)) {
    await nextTurn()
    const part = Buffer.from(text)
    parts.push(part)
    size += part.length
    if (size > most) throw tooLarge()
  }
  return Buffer.concat(parts, size)
}

export function tooLarge(): StatusError {
  return new StatusError('RequestEntityTooLarge', 'etcdserver: request is too large')
}
