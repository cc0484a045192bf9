// Generates src/api/generated/ from the official client package (fields, types, required, descriptions: Kubernetes v1.36) joined with
// src/api/facts/ (protobuf numbers, merge and list types). Runs at install time; its output is not committed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parameterDescriptions } from './generate/parameters.ts'
import { UNCLASSED } from './generate/unclassed.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const models = join(root, 'node_modules/@kubernetes/client-node/dist/gen/models')
const target = join(root, 'src/api/generated')

interface Attribute {
  name: string
  baseName: string
  type: string
  format: string
}
type ModelClass = { attributeTypeMap?: Attribute[] }
type ProtobufField = [name: string, number: number, type: string]
type MergeFacts = Record<string, Record<string, Record<string, unknown>>>

const facts = <T>(name: string): T => JSON.parse(readFileSync(join(root, 'src/api/facts', `${name}.json`), 'utf8')) as T
const protobuf = facts<Record<string, ProtobufField[]>>('protobuf')
const merge = facts<MergeFacts>('merge')
const classes = (await import(join(models, 'all.js'))) as unknown as Record<string, ModelClass>

/** Classes of the shared metadata, which src/api/object.ts writes by hand. */
const HAND_WRITTEN = new Set(['ObjectMeta', 'ListMeta', 'OwnerReference', 'ManagedFieldsEntry'])
const GROUP_PREFIX =
  /^(Admissionregistration|Apiextensions|Apiregistration|Authentication|Core|Discovery|Events|Flowcontrol|Rbac|Resource|Storage)(?=V1)/

/** Messages chosen where several groups have one of that name and only one is in the published API. */
const AMBIGUOUS = new Set(['meta.v1.Preconditions'])

function parseClass(name: string): { prefix: string; version: string; base: string } {
  const prefix = GROUP_PREFIX.exec(name)?.[0] ?? ''
  const match = /^(V\d+(?:(?:alpha|beta)\d+)?)(.+)$/.exec(name.slice(prefix.length))
  return match ? { prefix, version: match[1]!.toLowerCase(), base: match[2]! } : { prefix: '', version: '', base: name }
}

/** `core.v1.PodSpec` for class V1PodSpec: the key of the fact tables. */
function messageOf(className: string): string | undefined {
  const { prefix, version, base } = parseClass(className)
  const found = Object.keys(protobuf).filter(
    (key) => key.endsWith(`.${version}.${base}`) && (!prefix || key.startsWith(`${prefix.toLowerCase()}.`)),
  )
  if (found.length < 2) return found[0]
  const chosen = found.filter((key) => AMBIGUOUS.has(key))
  if (chosen.length !== 1) throw new Error(`class ${className} could be any of ${found.join(', ')}: say which in AMBIGUOUS`)
  return chosen[0]
}

/** `io.k8s.api.core.v1.PodSpec`: the definition's name in OpenAPI. */
function definitionOf(className: string): string {
  const { version, base } = parseClass(className)
  const message = messageOf(className)
  if (className === 'VersionInfo') return 'io.k8s.apimachinery.pkg.version.Info'
  if (!message) return `io.k8s.apimachinery.pkg.apis.meta.${version || 'v1'}.${base}`
  const packages: [string, string][] = [
    ['meta.', 'io.k8s.apimachinery.pkg.apis.'],
    ['apiextensions.', 'io.k8s.apiextensions-apiserver.pkg.apis.'],
    ['apiregistration.', 'io.k8s.kube-aggregator.pkg.apis.'],
  ]
  const home = packages.find(([start]) => message.startsWith(start))?.[1] ?? 'io.k8s.api.'
  return home + message
}

function typeName(className: string): string {
  const { prefix, version, base } = parseClass(className)
  if (!version) return base
  return prefix + base + (version === 'v1' ? '' : version[0]!.toUpperCase() + version.slice(1))
}

const served = Object.keys(classes).filter((name) => /^([A-Z][a-z]+)?V[12][A-Z]/.test(name) || name === 'VersionInfo')

/** Reads what only the declarations say: which fields are required, and their descriptions. */
function declarationOf(className: string): { description: string; fields: Map<string, { required: boolean; description: string }> } {
  const text = readFileSync(join(models, `${className}.d.ts`), 'utf8')
  const body = text.slice(text.indexOf('export declare class'))
  const head = text.slice(0, text.indexOf('export declare class'))
  const fields = new Map<string, { required: boolean; description: string }>()
  for (const match of body.matchAll(/(?:\/\*\*\n\s*\* ((?:(?!\*\/)[\s\S])*?)\n\s*\*\/\s*)?'([^']+)'(\??): /g)) {
    fields.set(match[2]!, { required: match[3] === '', description: clean(match[1] ?? '') })
  }
  const last = [...head.matchAll(/\/\*\*\n\* ((?:(?!\*\/)[\s\S])*?)\n\*\//g)].at(-1)
  return { description: clean(last?.[1] ?? ''), fields }
}

/** Paragraphs have become double spaces on the way through the client package. */
const clean = (text: string) =>
  text
    .replace(/\n\s*\* ?/g, '\n')
    .replace(/ {2}(?=\S)/g, '\n\n')
    .replace(/\\(['"])/g, '$1')

type Json = Record<string, unknown>

function schemaOf(type: string, format: string, wire: string): Json {
  const unclassed = UNCLASSED[wire]
  if (unclassed && !type.startsWith('Array<') && !type.startsWith('{')) return { ref: unclassed.definition }
  const list = /^Array<(.+)>$/.exec(type)
  if (list) return { type: 'array', items: schemaOf(list[1]!, format, wire.replace('[]', '')) }
  const map = /^\{ \[key: string\]: (.+); \}$/.exec(type)
  if (map) return { type: 'object', additionalProperties: schemaOf(map[1]!, format, /^map<\w+,\s*(.+)>$/.exec(wire)?.[1] ?? wire) }
  if (type === 'number') return format === 'double' ? { type: 'number', format } : { type: 'integer', format }
  if (type === 'Date' || type === 'V1MicroTime' || type === 'IntOrString' || type === 'any' || type === 'object')
    throw new Error(`a field of type ${type} (${wire || 'unknown on the wire'}) has no definition`)
  if (type === 'string' || type === 'boolean') return format ? { type, format } : { type }
  return { ref: definitionOf(type) }
}

function tsType(type: string): string {
  const list = /^Array<(.+)>$/.exec(type)
  if (list) return `${tsType(list[1]!)}[]`
  const map = /^\{ \[key: string\]: (.+); \}$/.exec(type)
  if (map) return `Record<string, ${tsType(map[1]!)}>`
  if (type === 'Date' || type === 'V1MicroTime') return 'string'
  if (type === 'IntOrString') return 'number | string'
  if (type === 'object') return 'Record<string, unknown>'
  if (type === 'any') return 'any'
  if (/^(string|number|boolean)$/.test(type)) return type
  return typeName(type)
}

const alwaysThere = facts<Record<string, string[]>>('presence-always')
const held = facts<Record<string, string[]>>('presence-held')

/** Required, and yet nobody minds that they hold nothing. */
const MAY_BE_EMPTY = new Set(['CSINodeSpec.drivers', 'LimitRangeSpec.limits', 'PodFailurePolicy.rules'])

/** Lists, maps and times that JSON carries as null where they hold nothing, and may. */
function isNullable(message: string | undefined, { baseName, type }: Attribute, must: boolean): boolean {
  if (!message || !/^(Array<|\{|Date|V1MicroTime)/.test(type)) return false
  if (![...(alwaysThere[message] ?? []), ...(held[message] ?? [])].includes(baseName)) return false
  return !must || MAY_BE_EMPTY.has(`${message.slice(message.lastIndexOf('.') + 1)}.${baseName}`)
}

const definitions: Record<string, Json> = {}
const descriptions: Record<string, { description: string; fields: Record<string, string> }> = {}
for (const { definition, schema, description } of Object.values(UNCLASSED)) {
  definitions[definition] = schema
  descriptions[definition] = { description, fields: {} }
}
const lines = [
  '// Generated by tools/generate.ts from @kubernetes/client-node. Do not edit.',
  "import type { ListMeta, ManagedFieldsEntry, ObjectMeta, OwnerReference } from '../object.ts'",
  'export type { ListMeta, ManagedFieldsEntry, ObjectMeta, OwnerReference }',
]

/** The fields of a message as Go declares them, which is the order of its JSON; those of embedded messages in their place. */
function declaredOrder(message: string): string[] {
  return protobuf[message]!.flatMap(([name, , type]) => (name.startsWith('~') ? declaredOrder(type) : [name]))
}

for (const className of served.toSorted()) {
  const declared = declarationOf(className)
  const definition = definitionOf(className)
  const message = messageOf(className)
  const ordered = message ? declaredOrder(message) : []
  // Embedded in every object, and declared by those alone that are none: references, entries of managers.
  const order = [...['kind', 'apiVersion', 'metadata'].filter((name) => !ordered.includes(name)), ...ordered]
  const place = ({ baseName }: Attribute) => (order.includes(baseName) ? order.indexOf(baseName) : order.length)
  const attributes = (classes[className]!.attributeTypeMap ?? []).toSorted((a, b) => place(a) - place(b))
  const wire = new Map((message ? protobuf[message]! : []).map(([name, , type]) => [name, type]))
  const own = merge[definition] ?? {}
  const properties: Record<string, Json> = {}
  const required: string[] = []
  const name = typeName(className)
  if (!HAND_WRITTEN.has(name)) lines.push(`export interface ${name} {`)
  for (const attribute of attributes) {
    const { required: must = false } = declared.fields.get(attribute.name) ?? {}
    const facts = own[attribute.baseName] ?? {}
    properties[attribute.baseName] = {
      ...schemaOf(attribute.type, attribute.format, wire.get(attribute.baseName) ?? ''),
      ...mergeFacts(facts),
    }
    if (must) required.push(attribute.baseName)
    if (!HAND_WRITTEN.has(name))
      lines.push(
        `  ${JSON.stringify(attribute.baseName)}${must ? '' : '?'}: ${tsType(attribute.type)}${isNullable(message, attribute, must) ? ' | null' : ''}`,
      )
  }
  if (!HAND_WRITTEN.has(name)) lines.push('}')
  definitions[definition] = {
    type: 'object',
    ...(attributes.length ? { properties } : {}),
    ...(required.length ? { required: required.toSorted() } : {}),
    ...mergeFacts(own['.'] ?? {}),
    ...(message ? { message } : {}),
  }
  descriptions[definition] = {
    description: declared.description,
    fields: Object.fromEntries(
      [...declared.fields].flatMap(([field, { description }]) => {
        const attribute = attributes.find((one) => one.name === field)
        return attribute && description ? [[attribute.baseName, description]] : []
      }),
    ),
  }
}

function mergeFacts(facts: Record<string, unknown>): Json {
  const out: Json = {}
  if (facts['list-type']) out.listType = facts['list-type']
  if (facts['list-map-keys']) out.listMapKeys = facts['list-map-keys']
  const mapType = facts['map-type'] ?? facts['x-kubernetes-map-type']
  if (mapType) out.mapType = mapType
  if (facts['patch-strategy']) out.patchStrategy = String(facts['patch-strategy']).split(',')
  if (facts['patch-merge-key']) out.patchMergeKey = facts['patch-merge-key']
  return out
}

mkdirSync(target, { recursive: true })
writeFileSync(join(target, 'types.ts'), `${lines.join('\n')}\n`)
writeFileSync(join(target, 'schemas.json'), JSON.stringify(definitions))
writeFileSync(join(target, 'descriptions.json'), JSON.stringify(descriptions))
writeFileSync(join(target, 'parameters.json'), JSON.stringify(parameterDescriptions(join(models, '../apis'))))
