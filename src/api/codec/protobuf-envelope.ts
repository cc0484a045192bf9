// `k8s\0` and the runtime.Unknown around every object that travels as protobuf.
import { encodeMessage } from './protobuf-encode.ts'
import { LENGTH, ProtobufError, ProtobufReader } from './protobuf-reader.ts'
import { messageNamed } from './protobuf-tables.ts'
import { ProtobufWriter } from './protobuf-writer.ts'

const MAGIC = Buffer.from('k8s\0', 'latin1')
/** Two empty texts, encoding and type, each a tag and a length. */
const AFTER_RAW = 4

export interface Envelope {
  apiVersion: string
  kind: string
  /** The object's message; a view of the bytes given. */
  raw: Uint8Array
  contentType: string
}

function isEnvelope(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && MAGIC.equals(bytes.subarray(0, 4))
}

/** Throws ProtobufError. */
export function openEnvelope(bytes: Uint8Array): Envelope {
  if (!isEnvelope(bytes)) {
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  }
  const envelope: Envelope = { apiVersion: '', kind: '', raw: new Uint8Array(), contentType: '' }
  const reader = new ProtobufReader(bytes, 4)
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === 1 * 8 + LENGTH) readType(reader.message(), envelope)
    else if (tag === 2 * 8 + LENGTH) envelope.raw = reader.bytes()
    else if (tag === 4 * 8 + LENGTH) envelope.contentType = reader.string()
    else reader.skip(tag & 7)
  }
  return envelope
}

function readType(reader: ProtobufReader, envelope: Envelope): void {
  while (!reader.done) {
    const tag = reader.tag()
    if (tag === 1 * 8 + LENGTH) envelope.apiVersion = reader.string()
    else if (tag === 2 * 8 + LENGTH) envelope.kind = reader.string()
    else reader.skip(tag & 7)
  }
}

export function closeEnvelope(raw: Uint8Array, { apiVersion, kind }: { apiVersion: string; kind: string }): Buffer {
  const unknown = { apiVersion, kind, raw, contentEncoding: '', contentType: '' }
  return Buffer.concat([MAGIC, encodeMessage(unknown, messageNamed('runtime.Unknown')!)])
}

/** What stands around a message of `length` bytes whose parts are at hand one after another: together what `closeEnvelope` makes of it. */
export function envelopeAround(length: number, type: { apiVersion: string; kind: string }): { before: Buffer; after: Buffer } {
  const empty = closeEnvelope(new Uint8Array(), type)
  const size = new ProtobufWriter()
  size.unsigned(length)
  return { before: Buffer.concat([empty.subarray(0, -AFTER_RAW - 1), size.finish()]), after: empty.subarray(-AFTER_RAW) }
}
