// What a body is read for, by the same functions whether it is read here or by the worker: only what can be sent between threads goes in and out.
import { syntaxErrorOf } from '#api/codec/json-scanner.ts'
import { decodeAhead, type DecodeOptions, type Expected, faultOf, type Reading, readAs } from '#api/codec/decode-body.ts'
import type { BodyFormat } from '#api/codec/media-type.ts'
import { parseYaml, YamlError } from '#api/codec/yaml.ts'
import { customKinds } from '#api/custom/custom-kind.ts'
import { definition } from '#api/definitions.ts'
import type { CustomResourceDefinition } from '#api/generated/types.ts'
import type { PatchBody } from '#api/patch/patch.ts'
import { patchComplaints } from '#api/patch/patch-complaints.ts'
import { parsePatchText } from '#api/patch/patch-text.ts'
import type { GroupVersionKind } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { encode, messageFor } from '#server/http/encode.ts'
import type { Format } from '#server/http/negotiate.ts'
import { parseExactly } from '#lib/exact-json.ts'

export type ObjectOptions = Pick<DecodeOptions, 'fieldValidation' | 'keepUnknown'>

export type Job =
  | {
      read: 'object'
      format: BodyFormat
      target: GroupVersionKind
      /** Of a built-in type; absent where the kind reads by itself. */
      definition?: string
      /** The kind fills in defaults, which is left to whoever has the kinds at hand. */
      defaults?: true
      /** Of a custom kind: the text of its definition. */
      custom?: Uint8Array
      options: ObjectOptions
    }
  | { read: 'patch'; type: PatchBody['type']; complain: boolean }
  | { read: 'yaml' }
  /** Of a stranger's answer. */
  | { read: 'json' }
  /** What is to be sent: JSON in another form. */
  | { read: 'encode'; form: { format: Format; pretty: boolean; definition?: string } }

export interface Outcome {
  value?: unknown
  /** `encode`: what is sent. */
  bytes?: Uint8Array
  found?: GroupVersionKind
  /** Some of its numbers may be Numerals. */
  numerals?: true
  /** The kind has read it, and given it its defaults. */
  decoded?: boolean
  complaints: string[]
  fault?: { name: string; message: string }
}

/** Throws only what is a fault of the program. */
export function carryOut(job: Job, body: Uint8Array): Outcome {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
  switch (job.read) {
    case 'object': {
      const { fault, value, ...reading } = job.custom
        ? readCustom(job, job.custom, bytes)
        : readAs(job.format, bytes, { expected: expectedOf(job), ...job.options })
      return fault ? { ...reading, fault: told(fault) } : { ...reading, value }
    }
    case 'patch': {
      const { patch, numerals, fault } = parsePatchText(bytes, job.type)
      if (fault !== undefined) return { complaints: [], fault: { name: 'PatchError', message: fault } }
      const complaints = job.complain ? patchComplaints(bytes, { type: job.type, patch }) : []
      return { value: patch, ...(numerals ? { numerals } : {}), complaints }
    }
    case 'encode':
      return { bytes: encoded(parseExactly(bytes.toString('utf8')), job.form), complaints: [] }
    case 'json':
      try {
        return { value: parseExactly(bytes.toString('utf8')), complaints: [] }
      } catch (error) {
        return { complaints: [], fault: { name: 'SyntaxError', message: syntaxErrorOf(bytes) ?? (error as Error).message } }
      }
    default:
      try {
        const { value, duplicates } = parseYaml(bytes.toString('utf8'))
        return { value, complaints: duplicates ? [duplicates] : [] }
      } catch (error) {
        if (error instanceof YamlError) return { complaints: [], fault: told(error) }
        throw error
      }
  }
}

function encoded(value: unknown, { format, pretty, definition }: (Job & { read: 'encode' })['form']): Uint8Array {
  const { body } = encode(value, { format, pretty, message: messageFor({ format, metaVersion: 'v1' }, definition) })
  return typeof body === 'string' ? Buffer.from(body) : body
}

/** A custom kind reads by itself, and fills in what its schema says. */
function readCustom({ format, target, options }: Job & { read: 'object' }, definition: Uint8Array, bytes: Buffer): Reading {
  const made = parseExactly(Buffer.from(definition).toString('utf8')) as CustomResourceDefinition
  const kind = customKinds(made).find(({ version }) => version === target.version)!
  const reading = readAs(format, bytes, { expected: kind, ...options })
  decodeAhead(reading, { expected: kind, ...options })
  if (reading.decoded) kind.default?.(reading.value as Parameters<NonNullable<typeof kind.default>>[0])
  return reading
}

/** As `readAs` would have answered. */
export function readingOf({ fault, ...reading }: Outcome): Reading {
  return fault ? { ...reading, fault: faultOf(fault) } : reading
}

const RAW: Schema = { type: 'any', preserveUnknownFields: true }

function expectedOf({ target, definition: name }: Job & { read: 'object' }): Expected {
  return name === undefined ? { ...target, schema: RAW, decode: () => [] } : { ...target, schema: definition(name) }
}

const told = ({ name, message }: Error) => ({ name, message })
