// Fills in what most kinds share, so that a kind's own module says only what is its own.
import { definition } from './definitions.ts'
import { ALL_VERBS, type Column, type Kind } from './kind.ts'
import type { KubeObject } from './object.ts'
import type { Schema } from './schema.ts'

type Optional = 'listKind' | 'singular' | 'verbs' | 'schema' | 'subresources' | 'columns'

/** Groups whose kinds take finalizers of one word from anybody, as custom resources do. */
const OPEN_GROUPS = ['admissionregistration.k8s.io', 'apiextensions.k8s.io', 'apiregistration.k8s.io', 'coordination.k8s.io', 'policy']

/** What a module writes: everything that is not derived. `definition` names the schema where it does not follow from group and version. */
export type KindSource<T extends KubeObject> = Omit<Kind<T>, Optional> &
  Partial<Pick<Kind<T>, Exclude<Optional, 'schema'>>> & { definition?: string }

export function defineKind<T extends KubeObject>(source: KindSource<T>): Kind<T> {
  const { definition: name = definitionName(source), ...own } = source
  let schema: Schema | undefined
  return {
    listKind: `${source.kind}List`,
    singular: source.kind.toLowerCase(),
    verbs: ALL_VERBS,
    subresources: {},
    columns: DEFAULT_COLUMNS as readonly Column<T>[],
    standardFinalizers: !OPEN_GROUPS.includes(source.group),
    ...own,
    get schema() {
      return (schema ??= definition(name))
    },
  }
}

/** The columns of a kind that names none, as upstream's default table convertor prints them. */
const DEFAULT_COLUMNS: readonly Column<KubeObject>[] = [
  { name: 'Name', description: 'Name must be unique within a namespace.', format: 'name', value: (object) => object.metadata?.name ?? '' },
  {
    name: 'Created At',
    description: 'When the object was created.',
    type: 'date',
    value: (object) => object.metadata?.creationTimestamp ?? null,
  },
]

function definitionName({ group, version, kind }: { group: string; version: string; kind: string }): string {
  const short = group.split('.')[0] || 'core'
  const homes: Record<string, string> = {
    apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
    apiregistration: 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
  }
  return `${homes[short] ?? `io.k8s.api.${short}`}.${version}.${kind}`
}
