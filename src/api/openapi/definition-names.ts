// What the definitions of kinds are called: built-in kinds as their schemas are, custom ones by their group written backwards.
import { definitions } from '#api/definitions.ts'
import type { Kind } from '#api/kind.ts'
import type { GroupVersionKind } from '#api/object.ts'

export const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** The definition of a kind, or of a kind that is only named (a subresource's). */
export function definitionOfKind(kind: Kind<any> | GroupVersionKind): string {
  const known = 'schema' in kind ? ownDefinition(kind) : builtIn(kind)
  return known ?? `${reversed(kind.group)}.${kind.version}.${kind.kind}`
}

export function listDefinitionOf(kind: Kind<any>): string {
  return `${definitionOfKind(kind)}List`
}

/** A custom kind has none, which its schema need not be made to tell. */
const ownDefinition = (kind: Kind<any>): string | undefined => (kind.madeOf ? undefined : kind.schema.name)

function builtIn({ group, version, kind }: GroupVersionKind): string | undefined {
  const name = `io.k8s.api.${group.split('.', 1)[0] || 'core'}.${version}.${kind}`
  return definitions().has(name) ? name : undefined
}

const reversed = (group: string): string => group.split('.').toReversed().join('.')
