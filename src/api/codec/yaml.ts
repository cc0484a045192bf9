// YAML as Kubernetes reads it: go-yaml's version of YAML 1.1 turned into JSON values. `yes`, `on` and `y` are true, 0777 is octal, 1:30 and
// dates are text, keys become strings. Aliases are copied out, within a bound, so that no two places of the result share a value.
import {
  boolYaml11Tag,
  CORE_SCHEMA,
  defineScalarTag,
  loadAll,
  type LoadOptions,
  mapTag,
  mergeTag,
  NOT_RESOLVED,
  type ScalarTagDefinition,
  seqTag,
  YAMLException,
} from 'js-yaml'
import { MAX_DEPTH } from '#api/schema/decode.ts'
import { longInteger } from '#lib/exact-json.ts'
import { indentFlow } from './yaml-flow.ts'
import { repeatedKeys } from './yaml-duplicates.ts'
import { goWords } from './yaml-words.ts'

export class YamlError extends Error {
  override name = 'YamlError'
}

export interface YamlDocument {
  value: unknown
  /** go-yaml's text about keys that occur twice, if any do. */
  duplicates?: string
}

export const CONVERTING = 'error converting YAML to JSON: '
const UNMARSHAL = 'yaml: unmarshal errors:\n  '
const MAX_ALIASES = 10_000
/** Values an aliased document may expand to. */
const MAX_EXPANDED = 400_000
/** Characters that are read again for brackets that go on further out than they begin. */
const MAX_READ_AGAIN = 1_000_000

/** Reads the first document and leaves the rest, as upstream does. Throws YamlError. */
export function parseYaml(text: string): YamlDocument {
  const version = /^\ufeff?(?:[ \t]*(?:#.*)?\r?\n)*%YAML[ \t]+(\d+\.\d+)/.exec(text)?.[1] ?? '1.1'
  if (version !== '1.1') throw new YamlError('yaml: found incompatible YAML document')
  let readable = text
  let fault: unknown
  for (let left = MAX_READ_AGAIN; ; left -= text.length) {
    try {
      return read(readable)
    } catch (error) {
      if (!(error instanceof YAMLException)) throw error
      fault ??= yamlError(error, text)
      const isFlow = error.reason?.startsWith('deficient indentation') && left > 0
      const indented = isFlow ? indentFlow(readable, error.mark?.position ?? 0) : undefined
      if (indented === undefined) throw fault
      readable = indented
    }
  }
}

function read(text: string): YamlDocument {
  const options: LoadOptions = { schema: SCHEMA, maxDepth: MAX_DEPTH, maxAliases: MAX_ALIASES }
  try {
    return { value: unshared(first(text, options), text) }
  } catch (error) {
    if (!(error instanceof YAMLException) || !error.reason?.startsWith('duplicated mapping key')) throw error
    const told = repeatedKeys(text, { maxDepth: MAX_DEPTH, plain: (source) => plainValue(source) })
    const value = first(text, { ...options, json: true })
    return { value: unshared(value, text), duplicates: `${UNMARSHAL}${told.join('\n  ')}` }
  }
}

/** Each line of go-yaml's text is a warning of its own; of other texts the whole. */
export function warningsIn(complaint: string): string[] {
  const at = complaint.indexOf(UNMARSHAL)
  if (at < 0 || !['', CONVERTING].includes(complaint.slice(0, at))) return [complaint]
  return complaint
    .slice(at + UNMARSHAL.length)
    .split('\n')
    .map((line) => line.trim())
}

const first = (text: string, options: LoadOptions): unknown => loadAll(text, options)[0] ?? null

function yamlError(error: YAMLException, text: string): YamlError {
  const { line = 0, position = 0 } = error.mark ?? {}
  return new YamlError(`yaml: ${goWords(text, { reason: error.reason ?? '', line, position })}`, { cause: error })
}

/** A plain scalar read by itself. */
function plainValue(source: string): unknown {
  try {
    return first(source, { schema: SCHEMA })
  } catch {
    return source
  }
}

function unshared(value: unknown, text: string): unknown {
  if (!text.includes('*')) return value
  let left = MAX_EXPANDED
  const around = new Set<object>()
  const copy = (one: unknown): unknown => {
    if (--left < 0) throw new YamlError('yaml: document contains excessive aliasing')
    if (typeof one !== 'object' || one === null) return one
    if (around.has(one)) throw new YamlError(`yaml: anchor '${/\*([^\s,[\]{}]+)/.exec(text)?.[1] ?? ''}' value contains itself`)
    // Aliases of aliases nest deeper than any text does.
    if (around.size > MAX_DEPTH) throw new YamlError('yaml: exceeded max depth')
    around.add(one)
    const copied = Array.isArray(one) ? one.map(copy) : Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, copy(inner)]))
    around.delete(one)
    return copied
  }
  return copy(value)
}

interface Resolving<T> {
  implicit?: boolean
  resolve(source: string, isExplicit: boolean): T | typeof NOT_RESOLVED
}

function scalar<T>(name: string, options: Resolving<T>): ScalarTagDefinition<T> {
  return defineScalarTag(`tag:yaml.org,2002:${name}`, { ...options, identify: () => false })
}

/** Tags of one's own mean nothing: scalars are text, collections what they look like. */
function unknownTags(prefix: string) {
  const matched = { tagName: prefix, matchByTagPrefix: true, identify: () => false }
  return [defineScalarTag(prefix, { ...matched, resolve: (source) => source }), { ...seqTag, ...matched }, { ...mapTag, ...matched }]
}

const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/
/** Of 64 bits, each a digit. */
const LONGEST_INTEGER = 66
const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)$/

function integer(source: string, isExplicit: boolean): number | bigint | typeof NOT_RESOLVED {
  const value = plainInteger(source)
  if (value === NOT_RESOLVED && isExplicit) throw new YamlError(`yaml: cannot decode !!${typeOf(source)} \`${source}\` as a !!int`)
  return value
}

function typeOf(source: string): string {
  if (plainInteger(source) !== NOT_RESOLVED) return 'int'
  if (plainFloat(source) !== NOT_RESOLVED) return 'float'
  const value = plainValue(source)
  return value === null ? 'null' : typeof value === 'boolean' ? 'bool' : 'str'
}

function plainInteger(source: string): number | bigint | typeof NOT_RESOLVED {
  if (!/^[-+0-9]/.test(source)) return NOT_RESOLVED
  const match = INTEGER.exec(source.replaceAll('_', ''))
  if (!match) return NOT_RESOLVED
  const digits = match[2]!
  const spelled = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits
  const value = Number(spelled)
  if (!Number.isSafeInteger(value) && spelled.length <= LONGEST_INTEGER)
    return longInteger(`${match[1] === '-' ? '-' : ''}${BigInt(spelled)}`) ?? (match[1] === '-' ? -value : value)
  return match[1] === '-' ? 0 - value : value
}

function float(source: string, isExplicit: boolean): number | typeof NOT_RESOLVED {
  const value = plainFloat(source)
  if (value === NOT_RESOLVED && isExplicit) {
    const whole = plainInteger(source)
    if (whole === NOT_RESOLVED) throw new YamlError(`yaml: cannot decode !!${typeOf(source)} \`${source}\` as a !!float`)
    return Number(whole)
  }
  if (value === NOT_RESOLVED || Number.isFinite(value)) return value
  const name = Number.isNaN(value) ? 'NaN' : value < 0 ? '-Inf' : '+Inf'
  throw new YamlError(`json: unsupported value: ${name}`)
}

/** Numbers beyond all floats are text. */
function plainFloat(source: string): number | typeof NOT_RESOLVED {
  const plain = /^[-+0-9]/.test(source) ? source.replaceAll('_', '') : source
  if (FLOAT.test(plain)) return Number.isFinite(Number(plain)) ? Number(plain) : NOT_RESOLVED
  const [, sign, name] = /^([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)$/.exec(source) ?? []
  if (!name || (sign && /nan/i.test(name))) return NOT_RESOLVED
  return /nan/i.test(name) ? Number.NaN : sign === '-' ? -Infinity : Infinity
}

function binary(source: string): string {
  const bytes = Buffer.from(source, 'base64')
  if (bytes.toString('base64') !== source.replace(/[\r\n]/g, '')) throw new YamlError('yaml: !!binary value contains invalid base64 data')
  return bytes.toString('utf8')
}

const SCHEMA = CORE_SCHEMA.withTags(
  boolYaml11Tag,
  mergeTag,
  scalar('int', { implicit: true, resolve: integer }),
  scalar('float', { implicit: true, resolve: float }),
  scalar('timestamp', { resolve: (source) => source }),
  scalar('binary', { resolve: binary }),
  ...unknownTags('!'),
  ...unknownTags('tag:'),
)
