// The field numbers of every message Kubernetes sends as protobuf, compiled from the fact tables on first use, one message at a time.
import { readFileSync } from 'node:fs'

export type WireType = 'string' | 'bool' | 'int32' | 'int64' | 'double' | 'bytes' | 'message' | 'map'

export interface WireField {
  readonly name: string
  readonly number: number
  readonly type: WireType
  readonly repeated: boolean
  /** An explicit zero differs from absence. */
  readonly pointer: boolean
  /** The fields of this message stand in the parent's JSON object. */
  readonly inline: boolean
  /** Message name of a `message`, or of a map's values. */
  readonly message: string
  /** Type of a map's values. */
  readonly values: WireType
}

export interface Message {
  readonly name: string
  /** In the order of their numbers. */
  readonly fields: readonly WireField[]
  readonly byNumber: ReadonlyMap<number, WireField>
}

type Row = [name: string, number: number, type: string]

interface Facts {
  rows: Record<string, Row[]>
  pointers: Record<string, string[]>
}

const TIMES = new Set(['meta.v1.Time', 'meta.v1.MicroTime'])

let facts: Facts | undefined
const messages = new Map<string, Message>()

/** The message called `core.v1.Pod`, or undefined where there is none. */
export function messageNamed(name: string): Message | undefined {
  const known = messages.get(name)
  if (known) return known
  facts ??= { rows: read('protobuf'), pointers: read('presence-pointer') }
  if (!Object.hasOwn(facts.rows, name)) return undefined
  // A time of zero seconds is 1970; only an empty message is no time.
  const pointers = TIMES.has(name) ? ['seconds', 'nanos'] : Object.hasOwn(facts.pointers, name) ? facts.pointers[name]! : []
  const fields = facts.rows[name]!.map((row) => fieldOf(row, pointers)).toSorted((a, b) => a.number - b.number)
  const message = { name, fields, byNumber: new Map(fields.map((field) => [field.number, field])) }
  messages.set(name, message)
  return message
}

/** The message of a definition: `core.v1.Pod` for `io.k8s.api.core.v1.Pod`. */
export function messageOf(definition: string): Message | undefined {
  return messageNamed(definition.split('.').slice(-3).join('.'))
}

function fieldOf([label, number, spelled]: Row, pointers: readonly string[]): WireField {
  const inline = label.startsWith('~')
  const name = inline ? label.slice(1) : label
  const map = /^map<\w+,(.+)>$/.exec(spelled)
  const repeated = spelled.endsWith('[]')
  const [type, message] = typeOf(map ? map[1]! : spelled.replace('[]', ''))
  return {
    name,
    number,
    type: map ? 'map' : type,
    repeated,
    pointer: pointers.includes(name),
    inline,
    message,
    values: type,
  }
}

function typeOf(spelled: string): [type: WireType, message: string] {
  return spelled.includes('.') ? ['message', spelled] : [spelled as WireType, '']
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../facts/${name}.json`, import.meta.url), 'utf8')) as T
}
