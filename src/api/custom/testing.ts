// For tests: definitions of custom resources, as little of them as a test is about.
import type { CustomResourceDefinition } from '#api/generated/types.ts'

export interface DefinitionOptions {
  group?: string
  /** All are served; the first is stored unless `stored` says otherwise. */
  versions?: readonly string[]
  stored?: string
  /** Of every version. */
  schema?: object
  /** What every version has beside: subresources, columns. */
  version?: object
}

/** A namespaced kind, called in the plural by its name in small letters and an s. */
export function customDefinition(
  kind: string,
  { group = 'example.com', versions = ['v1'], stored = versions[0]!, schema = { type: 'object' }, version = {} }: DefinitionOptions = {},
): CustomResourceDefinition {
  const plural = `${kind.toLowerCase()}s`
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind },
      versions: versions.map((name) => ({ name, served: true, storage: name === stored, schema: { openAPIV3Schema: schema }, ...version })),
    },
  }
}
