// The query and path parameters of each kind of operation.
import { messageNamed } from '#api/codec/protobuf-tables.ts'
import type { Descriptions } from './descriptions.ts'
import type { Parameter } from './model.ts'

type Type = Parameter['type']
type Names = Readonly<Record<string, Type>>

const WRITE: Names = { dryRun: 'string', fieldManager: 'string', fieldValidation: 'string' }
const LIST: Names = {
  allowWatchBookmarks: 'boolean',
  continue: 'string',
  fieldSelector: 'string',
  labelSelector: 'string',
  limit: 'integer',
  resourceVersion: 'string',
  resourceVersionMatch: 'string',
  sendInitialEvents: 'boolean',
  timeoutSeconds: 'integer',
  watch: 'boolean',
}
const DELETE: Names = {
  dryRun: 'string',
  gracePeriodSeconds: 'integer',
  ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean',
  orphanDependents: 'boolean',
  propagationPolicy: 'string',
}
const { allowWatchBookmarks: _, watch: __, ...SELECT } = LIST

const QUERIES = {
  none: {},
  write: WRITE,
  patch: { ...WRITE, force: 'boolean' },
  list: LIST,
  delete: DELETE,
  deletecollection: { ...SELECT, ...DELETE },
} satisfies Record<string, Names>

export type Query = keyof typeof QUERIES

/** Parameters of an operation on objects, `pretty` included. */
export function queryParameters(query: Query, texts: Descriptions): Parameter[] {
  const home = query === 'patch' ? 'patch' : ''
  return Object.entries({ ...QUERIES[query], pretty: 'string' as const }).map(([name, type]) => queryParameter(name, type, texts, home))
}

/** Parameters of a connection or a log: the fields of its options. */
export function optionParameters(kind: string, texts: Descriptions): Parameter[] {
  const fields = messageNamed(`core.v1.${kind}`)?.fields ?? []
  return fields.flatMap(({ name, type }) => {
    const spelled: Type | undefined =
      type === 'bool' ? 'boolean' : type === 'int32' || type === 'int64' ? 'integer' : type === 'string' ? type : undefined
    return spelled ? [queryParameter(name, spelled, texts, kind)] : []
  })
}

/** Parameters of the path itself, such as `{namespace}`. */
export function pathParameters(path: string, { kind, texts }: { kind: string; texts: Descriptions }): Parameter[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: name!,
    in: 'path',
    type: 'string',
    description: name === 'name' ? `name of the ${kind}` : name === 'path' ? 'path to the resource' : (texts.parameters['']?.[name!] ?? ''),
  }))
}

function queryParameter(name: string, type: Type, texts: Descriptions, home: string): Parameter {
  const own = texts.parameters[home] ?? {}
  const description = (home.endsWith('ProxyOptions') ? own.path2 : own[name]) ?? texts.parameters['']?.[name]
  return { name, in: 'query', type, ...(description ? { description } : {}) }
}
