// A request body becomes an object of the kind the path asks for: format, apiVersion and kind, types, unknown and duplicate fields, each fault in
// upstream's words. Values are canonical and nobody else's afterwards. Defaults and validation come later and elsewhere.
import { apiVersionOf, type GroupVersionKind, type KubeObject, parseApiVersion } from '#api/object.ts'
import type { Schema } from '#api/schema.ts'
import { DecodeError, decodeInto, MAX_DEPTH } from '#api/schema/decode.ts'
import { parseNumerals, withPlainNumbers } from '#api/schema/numeral.ts'
import { planOf } from '#api/schema/plan.ts'
import { StatusError } from '#api/status.ts'
import { parseExactly } from '#lib/exact-json.ts'
import { JsonSyntaxError, strictErrors, surveyJson, syntaxErrorOf } from './json-scanner.ts'
import { type BodyFormat, bodyFormat } from './media-type.ts'
import { decodeMessage } from './protobuf-decode.ts'
import { openEnvelope } from './protobuf-envelope.ts'
import { messageOfSchema } from './protobuf.ts'
import { ProtobufError } from './protobuf-reader.ts'
import { readRepeated } from './repeated-fields.ts'
import { parseYaml, warningsIn, YamlError } from './yaml.ts'

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

/** What the body should hold; any Kind is one. */
export interface Expected extends GroupVersionKind {
  readonly schema: Schema
  /** Reads in place of the schema; see Kind. */
  decode?(object: KubeObject): string[]
}

export interface DecodeOptions {
  /** Warn, as upstream, unless said otherwise. */
  fieldValidation?: FieldValidation
  /** Whether a kind other than the expected one exists: it decides the words of the refusal. */
  isKnown?(kind: GroupVersionKind): boolean
  /** Any apiVersion will do (DeleteOptions). */
  anyVersion?: boolean
  /** Versions of the same group that will do as well. */
  alsoVersions?: readonly string[] | undefined
  /** Fields no schema knows stay (custom resources: their own pruning decides). */
  keepUnknown?: boolean
}

export interface DecodedBody<T extends KubeObject = KubeObject> {
  object: T
  /** Texts for Warning headers. */
  warnings: string[]
}

/** Throws StatusError BadRequest or UnsupportedMediaType. `T` is the type of `expected`. */
export function decodeBody<T extends KubeObject = KubeObject>(
  body: Uint8Array,
  contentType: string | undefined,
  { expected, ...options }: DecodeOptions & { expected: Expected },
): DecodedBody<T> {
  return conclude<T>(readAs(formatOf(contentType, expected), body, { expected, ...options }), { body, expected, ...options })
}

/** Throws StatusError UnsupportedMediaType. */
export function formatOf(contentType: string | undefined, expected: Expected): BodyFormat {
  return bodyFormat(contentType, messageOfSchema(expected.schema) ? undefined : ['json', 'yaml'])
}

/** What reading a body came to, before it is asked whether it is of the kind expected. */
export interface Reading {
  /** What it says it is; absent when it could not be read that far. */
  found?: GroupVersionKind
  value?: unknown
  /** What strict reading has against it. */
  complaints: string[]
  /** The kind has read `value` itself. */
  decoded?: boolean
  /** What it cannot be read for: a fault of this module's. */
  fault?: Error
}

/** Reads by the schema; where the kind reads by itself (`decode`) only as far as JSON goes. Throws nothing. */
export function readAs(format: BodyFormat, body: Uint8Array, { expected, ...options }: DecodeOptions & { expected: Expected }): Reading {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
  const reading: Reading = { complaints: [] }
  try {
    READERS[format](bytes, reading, { expected, options })
  } catch (error) {
    if (!isFault(error)) throw error
    reading.fault = error
  }
  return reading
}

/** Has the kind read what was read as JSON, ahead of `conclude`. Throws nothing. */
export function decodeAhead(reading: Reading, { expected, ...options }: DecodeOptions & { expected: Expected }): void {
  const { found, value, fault } = reading
  if (fault || !expected.decode || found?.kind !== expected.kind) return
  try {
    const unknown = readValue(value, expected, options)
    if (options.fieldValidation !== 'Ignore') for (const path of unknown) reading.complaints.push(unknownField(path))
    reading.decoded = true
  } catch (error) {
    if (!isFault(error)) throw error
    reading.fault = error
  }
}

/** The object, if it is of the kind expected and nothing is wrong with it. Throws StatusError. */
export function conclude<T extends KubeObject = KubeObject>(
  { found, value, complaints, decoded, fault }: Reading,
  { body, expected, ...options }: DecodeOptions & { body: Uint8Array; expected: Expected },
): DecodedBody<T> {
  const strict = options.fieldValidation !== 'Ignore'
  try {
    if (found) checkKind(found, expected, options)
    if (fault) throw fault
    const warnings = strict ? [...complaints] : []
    if (expected.decode && !decoded) {
      for (const path of readValue(value, expected, options)) if (strict) warnings.push(unknownField(path))
    }
    const object = value as KubeObject
    if (warnings.length > 0 && options.fieldValidation === 'Strict') {
      throw new DecodeError(`strict decoding error: ${warnings.join(', ')}`)
    }
    const apiVersion = options.anyVersion && object.apiVersion ? object.apiVersion : apiVersionOf(expected)
    // What the body left out comes first all the same, as in every answer.
    const { apiVersion: _, kind: __, ...rest } = object
    return { object: { kind: expected.kind, apiVersion, ...rest } as T, warnings: warnings.flatMap(warningsIn) }
  } catch (error) {
    throw refusal(error, { bytes: Buffer.from(body.buffer, body.byteOffset, body.length), expected, found })
  }
}

type Reader = (bytes: Buffer, reading: Reading, asked: { expected: Expected; options: DecodeOptions }) => void

const READERS: Record<BodyFormat, Reader> = {
  json(bytes, reading, { expected, options }) {
    const value = (reading.value = parseJson(bytes))
    reading.found = kindIn(value, expected)
    const strict = options.fieldValidation !== 'Ignore'
    const { keys, oddNumerals } = surveyJson(bytes)
    const repeats = keys !== keysOf(value)
    if (expected.decode) {
      if (oddNumerals) reading.value = parseExactly(textOf(bytes))
      if (strict && repeats) reading.complaints = strictErrors(bytes)
      return
    }
    const read = repeats ? readRepeated(textOf(bytes), planOf(expected.schema)) : oddNumerals ? parseNumerals(textOf(bytes)) : value
    const unknown = readValue(read, expected, options)
    if (read !== value) reading.value = withPlainNumbers(read)
    if (strict && (repeats || unknown.length > 0)) reading.complaints = strictErrors(bytes, planOf(expected.schema))
  },

  yaml(bytes, reading, { expected, options }) {
    const { value, duplicates } = parseYaml(bytes.toString('utf8'))
    reading.value = value
    reading.found = kindIn(value, expected)
    if (duplicates) reading.complaints.push(duplicates)
    if (!expected.decode) reading.complaints.push(...readValue(value, expected, options).toSorted(byKeys).map(unknownField))
  },

  protobuf(bytes, reading, { expected }) {
    const { apiVersion, kind, raw } = openEnvelope(bytes)
    reading.found = withDefaults({ kind, apiVersion }, expected)
    reading.value = decodeMessage(raw, messageOfSchema(expected.schema)!)
    decodeInto(reading.value, expected.schema)
  },
}

/** YAML is read by way of JSON, which has the keys of every object in order. */
function byKeys(one: string, other: string): number {
  const [ones, others] = [stepsOf(one), stepsOf(other)]
  for (const [at, step] of ones.entries()) {
    const its = others[at]
    if (its === undefined) return 1
    if (step === its) continue
    if (/^\d+$/.test(step) && /^\d+$/.test(its)) return Number(step) - Number(its)
    return step < its ? -1 : 1
  }
  return ones.length - others.length
}

const stepsOf = (path: string): string[] => Array.from(path.matchAll(/[^.[\]]+/g), ([step]) => step)

const unknownField = (path: string) => `unknown field ${JSON.stringify(path)}`

/** Returns the paths of unknown fields. */
function readValue(value: unknown, { schema, decode }: Expected, { keepUnknown }: DecodeOptions): string[] {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (decode && isRecord) return decode(value as KubeObject)
  return decodeInto(value, schema, { keepUnknown: keepUnknown === true }).unknown
}

function parseJson(bytes: Buffer): unknown {
  try {
    // Go reads null into an object nothing is said about.
    return JSON.parse(textOf(bytes)) ?? {}
  } catch (error) {
    const text = syntaxErrorOf(bytes) ?? (error as Error).message
    throw new JsonSyntaxError(`couldn't get version/kind; json parse error: ${text}`, { cause: error })
  }
}

/** As Go reads texts: half a character that is spelled out becomes the one that stands for what cannot be read. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (!bytes.includes('\\ud') && !bytes.includes('\\uD')) return text
  return text.replace(ESCAPES, (escape, half?: string) => (half ? '\\ufffd' : escape))
}

/** Pairs of halves, single halves, and every other escape, so that none is taken for the beginning of another. */
const ESCAPES = /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(\\u[dD][89a-fA-F][\da-fA-F]{2})|\\./g

function kindIn(value: unknown, expected: Expected): GroupVersionKind {
  const interpret = (problem: string) => new DecodeError(`couldn't get version/kind; json parse error: json: cannot unmarshal ${problem}`)
  if (value === null) return withDefaults({}, expected)
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw interpret(
      `${kindOfJson(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    )
  }
  const { apiVersion, kind } = value as Record<string, unknown>
  for (const [name, field] of Object.entries({ apiVersion, kind })) {
    if (field !== undefined && field !== null && typeof field !== 'string') {
      throw interpret(`${kindOfJson(field)} into Go struct field .${name} of type string`)
    }
  }
  return withDefaults({ apiVersion: apiVersion as string, kind: kind as string }, expected)
}

function withDefaults(found: { apiVersion?: string; kind?: string }, expected: Expected): GroupVersionKind {
  const kind = found.kind || expected.kind
  if (!found.apiVersion) return { group: expected.group, version: expected.version, kind }
  if (found.apiVersion.split('/').length > 2) throw new DecodeError(`unexpected GroupVersion string: ${found.apiVersion}`)
  return { ...parseApiVersion(found.apiVersion), kind }
}

function checkKind(found: GroupVersionKind, expected: Expected, { isKnown, anyVersion, alsoVersions = [] }: DecodeOptions): void {
  const sameVersion = found.group === expected.group && [expected.version, ...alsoVersions].includes(found.version)
  if (found.kind === expected.kind && (sameVersion || anyVersion)) return
  const known = isKnown?.(found) ?? false
  if (known && !sameVersion) {
    throw new StatusError(
      'BadRequest',
      `the API version in the data (${apiVersionOf(found)}) does not match the expected API version (${apiVersionOf(expected)})`,
    )
  }
  if (known) {
    const internal = expected.group === '' ? 'core' : expected.group.split('.', 1)[0]!
    throw new DecodeError(`converting (${found.version}.${found.kind}) to (${internal}.${expected.kind}): unknown conversion`)
  }
  throw new DecodeError(notRegistered(found))
}

export function notRegistered(found: GroupVersionKind): string {
  const scheme = 'k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30'
  return `no kind ${JSON.stringify(found.kind)} is registered for version ${JSON.stringify(apiVersionOf(found))} in scheme ${JSON.stringify(scheme)}`
}

/** How many keys all objects in a value have together. */
function keysOf(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > MAX_DEPTH) throw new DecodeError('exceeded max depth')
  let keys = 0
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) keys += keysOf(value[index], depth + 1)
    return keys
  }
  for (const key in value) {
    keys++
    const inner = (value as Record<string, unknown>)[key]
    if (typeof inner === 'object') keys += keysOf(inner, depth + 1)
  }
  return keys
}

function refusal(
  error: unknown,
  { bytes, expected, found }: { bytes: Buffer; expected: Expected; found: GroupVersionKind | undefined },
): unknown {
  if (!isFault(error)) return error
  const text = found
    ? `${found.kind} in version ${JSON.stringify(found.version)} cannot be handled as a ${expected.kind}: ${error.message}`
    : `the object provided is unrecognized (must be of type ${expected.kind}): ${error.message} (${summary(bytes)})`
  return new StatusError('BadRequest', text, { cause: error })
}

/** What is wrong with a body, rather than with this program. */
const FAULTS = { DecodeError, JsonSyntaxError, YamlError, ProtobufError }

function isFault(error: unknown): error is Error {
  return Object.values(FAULTS).some((one) => error instanceof one)
}

/** A fault that was told by name and message. */
export function faultOf({ name, message }: { name: string; message: string }): Error {
  return Object.hasOwn(FAULTS, name) ? new FAULTS[name as keyof typeof FAULTS](message) : new Error(message)
}

/** The first 30 bytes, as text where they look like JSON. */
function summary(bytes: Buffer): string {
  if (bytes.length === 0) return '<empty>'
  const head = bytes.subarray(0, 30)
  return `${bytes[0] === 0x7b ? head.toString('utf8') : head.toString('hex')}${bytes.length > 30 ? ' ...' : ''}`
}

function kindOfJson(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
