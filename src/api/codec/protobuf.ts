// Objects, lists and watch events as protobuf: what to do with a definition and its bytes. Kinds without a message (custom resources, Table) have no such form.
import type { KubeObject } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { encodeMessage } from './protobuf-encode.ts'
import { closeEnvelope } from './protobuf-envelope.ts'
import { LENGTH } from './protobuf-reader.ts'
import { type Message, messageOf } from './protobuf-tables.ts'
import { ProtobufWriter } from './protobuf-writer.ts'

/** The message of a schema, or undefined where it has no protobuf form. */
export function messageOfSchema({ name }: Schema): Message | undefined {
  return name ? messageOf(name) : undefined
}

/** An object in its envelope. `message` as `messageOfSchema` gives it; the object says its own apiVersion and kind. */
export function encodeObject(object: KubeObject, message: Message): Buffer {
  return closeEnvelope(encodeMessage(object, message), { apiVersion: object.apiVersion ?? '', kind: object.kind ?? '' })
}

/** One frame of `application/vnd.kubernetes.protobuf;stream=watch`. `object` is an object in its envelope. */
export function encodeWatchFrame(type: string, object: Uint8Array): Buffer {
  const writer = new ProtobufWriter(object.length + type.length + 32)
  writer.bytes(object)
  writer.tag(1, LENGTH)
  writer.unsigned(writer.length)
  writer.tag(2, LENGTH)
  writer.string(type)
  writer.tag(1, LENGTH)
  const event = writer.finish()
  const frame = Buffer.allocUnsafe(4 + event.length)
  frame.writeUInt32BE(event.length)
  frame.set(event, 4)
  return frame
}
