// The meta.k8s.io Table of a kind: all columns always, as kubectl wants them; what is wide only the client decides.
import type { Column, Kind } from './kind.ts'
import type { KubeObject, ListMeta } from './object.ts'

export interface TableColumnDefinition {
  name: string
  type: string
  format: string
  description: string
  priority: number
}

export interface TableRow {
  cells: unknown[]
  conditions?: unknown[]
  object: unknown
}

export interface Table {
  kind: 'Table'
  apiVersion: string
  metadata: ListMeta
  columnDefinitions: TableColumnDefinition[] | null
  rows: TableRow[]
}

export type IncludeObject = 'None' | 'Metadata' | 'Object'

export interface TableOptions {
  /** What stands in each row's `object`; Metadata unless said. */
  includeObject?: IncludeObject
  now: number
  listMeta?: ListMeta
  /** false in all events of a watch but the first. */
  withColumns?: boolean
  version?: 'v1' | 'v1beta1'
}

export function tableOf<T extends KubeObject>(kind: Kind<T>, items: Iterable<T>, options: TableOptions): Table {
  const { includeObject = 'Metadata', now, listMeta = {}, withColumns = true, version = 'v1' } = options
  const apiVersion = `meta.k8s.io/${version}`
  const rows: TableRow[] = []
  for (const item of items) {
    const row: TableRow = { cells: kind.columns.map((column) => column.value(item, { now })), object: null }
    const conditions = kind.rowConditions?.(item)
    if (conditions?.length) row.conditions = conditions
    if (includeObject === 'Object') row.object = item
    if (includeObject === 'Metadata') row.object = { kind: 'PartialObjectMetadata', apiVersion, metadata: item.metadata ?? {} }
    rows.push(row)
  }
  return { kind: 'Table', apiVersion, metadata: listMeta, columnDefinitions: withColumns ? kind.columns.map(definitionOf) : null, rows }
}

function definitionOf({ name, type = 'string', format = '', description, priority = 0 }: Column<never>): TableColumnDefinition {
  return { name, type, format, description, priority }
}
