// Where things are, and definitions of custom kinds as scenes need them.
export const MAPS = '/api/v1/namespaces/default/configmaps'
export const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
export const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
export const METADATA = { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' }
export const PROTOBUF = { accept: 'application/vnd.kubernetes.protobuf' }
export const MERGE = { 'content-type': 'application/merge-patch+json' }
export const APPLY = { 'content-type': 'application/apply-patch+yaml' }
export const JSON_PATCH = { 'content-type': 'application/json-patch+json' }

export const OPEN = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

export interface Definition {
  group: string
  plural: string
  schema: object
  more?: object
}

export function definition({ group, plural, schema, more = {} }: Definition): object {
  const kind = plural[0]!.toUpperCase() + plural.slice(1, -1)
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind, singular: plural.slice(0, -1), listKind: `${kind}List` },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      ...more,
    },
  }
}

/** A schema of about as many bytes. */
export function schemaOf(bytes: number): object {
  const field = (i: number) => ({
    type: 'object',
    description: `The field ${i}. ${'A field. '.repeat(8)}`,
    properties: { value: { type: 'string', maxLength: 10 } },
  })
  const count = Math.ceil(bytes / (JSON.stringify(field(10_000)).length + 14))
  const properties = Object.fromEntries(Array.from({ length: count }, (_, i) => [`field${i}`, field(i)]))
  return { type: 'object', properties: { spec: { type: 'object', properties } } }
}
