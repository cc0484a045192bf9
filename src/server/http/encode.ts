// Objects in the formats clients ask for.
import { dump, DUMP_SCHEMA, type DumpOptions, intYaml11Tag } from 'js-yaml'
import { encodeObject } from '#api/codec/protobuf.ts'
import { type Message, messageNamed, messageOf } from '#api/codec/protobuf-tables.ts'
import type { KubeObject } from '#api/object.ts'
import { CONTENT_TYPES, type Format, type Negotiated } from './negotiate.ts'

/** Whole numbers, long ones too. */
const INTEGERS: typeof intYaml11Tag = {
  ...intYaml11Tag,
  identify: (value) => typeof value === 'bigint' || intYaml11Tag.identify!(value),
  represent: (value, ...more) => (typeof value === 'bigint' ? String(value) : intYaml11Tag.represent(value, ...more)),
}
const YAML_FORM: DumpOptions = { noRefs: true, lineWidth: -1, sortKeys: true, seqNoIndent: true, schema: DUMP_SCHEMA.withTags(INTEGERS) }

export interface EncodeOptions {
  format: Format
  pretty?: boolean
  /** Where protobuf is asked for. */
  message?: Message | undefined
}

/** How the form negotiated is written in protobuf; `definition` names the object's or the list's own schema. */
export function messageFor({ as, metaVersion, format }: Negotiated, definition: string | undefined): Message | undefined {
  if (format !== 'protobuf') return undefined
  if (!as) return definition === undefined ? undefined : messageOf(definition)
  return messageNamed(as === 'PartialObjectMetadataList' ? `meta.${metaVersion}.${as}` : `meta.v1.${as}`)
}

export function encode(value: unknown, { format, pretty = false, message }: EncodeOptions): { type: string; body: string | Uint8Array } {
  if (format === 'yaml') return { type: CONTENT_TYPES.yaml, body: dump(value, YAML_FORM) }
  if (format === 'protobuf' && message) return { type: CONTENT_TYPES.protobuf, body: encodeObject(value as KubeObject, message) }
  return { type: CONTENT_TYPES.json, body: pretty ? JSON.stringify(value, null, 2) : `${JSON.stringify(value)}\n` }
}
