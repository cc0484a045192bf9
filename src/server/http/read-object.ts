// The object in a request's body: read within bounds, decoded by its content type, defaulted.
import { conclude, type FieldValidation, formatOf, readAs, type Reading } from '#api/codec/decode-body.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import { nextTurn } from '#lib/paced.ts'
import { LARGE_BYTES } from '#server/decoding/body-reader.ts'
import { readApart } from '#server/decoding/read-apart.ts'
import { type Engine, LARGE_OBJECT_BYTES } from '#server/engine/engine.ts'
import { applyDefaults } from '#server/engine/schema.ts'
import { readBody } from './body.ts'
import type { Call } from './call.ts'

export const contentType = (call: Call): string => (call.exchange.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()

export async function readObject(
  engine: Engine,
  call: Call,
  { kind, fieldValidation, alsoVersions }: { kind: Kind; fieldValidation: FieldValidation; alsoVersions?: readonly string[] | undefined },
): Promise<KubeObject> {
  const body = await readBody(call, engine)
  call.large = body.length >= LARGE_OBJECT_BYTES
  if (!call.large) await engine.bodies.gathering.join()
  const asked = {
    body,
    expected: kind,
    fieldValidation,
    alsoVersions,
    isKnown: engine.registry.knows,
  }
  const reading = await read(engine, call, asked)
  const { object, warnings } = conclude(reading, asked)
  for (const warning of warnings) call.warnings.add(warning)
  if (call.large) await nextTurn()
  if (!reading.decoded) applyDefaults(kind, object)
  if (call.audit) await (call.large ? call.audit.largeRequest(object) : call.audit.request(object))
  return object
}

function read(
  { bodies }: Engine,
  { exchange }: Call,
  asked: { body: Buffer; expected: Kind; fieldValidation: FieldValidation },
): Reading | Promise<Reading> {
  const format = formatOf(exchange.headers['content-type'], asked.expected)
  return asked.body.length < LARGE_BYTES ? readAs(format, asked.body, asked) : readApart(bodies, { format, ...asked })
}

export function unsupportedMediaType(accepted: string): StatusError {
  return new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  )
}
