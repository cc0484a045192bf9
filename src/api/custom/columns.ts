// The printer columns of a custom resource: its name, then what its definition names, or its age.
import type { CustomResourceColumnDefinition } from '#api/generated/types.ts'
import { humanAge } from '#api/human-duration.ts'
import type { Column } from '#api/kind.ts'
import { nameColumn } from '#api/kinds/columns.ts'
import type { KubeObject } from '#api/object.ts'
import { goFloat, goJson } from '#lib/go-text.ts'
import { byKey } from '#lib/order.ts'
import { JsonPath } from './json-path.ts'

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[-+]\d\d:\d\d)$/

const AGE: CustomResourceColumnDefinition = {
  name: 'Age',
  type: 'date',
  description: 'Time since the object was created.',
  jsonPath: '.metadata.creationTimestamp',
}

export function customColumns(columns: readonly CustomResourceColumnDefinition[] | undefined): Column<KubeObject>[] {
  return [nameColumn, ...(columns?.length ? columns : [AGE]).map(columnOf)]
}

function columnOf({
  name,
  type,
  description = '',
  format = '',
  priority = 0,
  jsonPath,
}: CustomResourceColumnDefinition): Column<KubeObject> {
  const path = JsonPath.parse(jsonPath)
  const kind = type as NonNullable<Column<KubeObject>['type']>
  return {
    name,
    description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    type: kind,
    format,
    priority,
    value(object, { now }) {
      // Of several values the first is shown.
      const [found] = path.find(object)
      if (found === undefined) return null
      return kind === 'string' ? text(found) : cell(found, kind, now)
    },
  }
}

/** As Go's templates print a value: maps and lists as JSON, maps by their keys. */
function text(value: unknown): string {
  if (value === null) return '<no value>'
  if (typeof value === 'object') return goJson(sorted(value))
  return typeof value === 'number' && !Number.isInteger(value) ? goFloat(value) : String(value)
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  const members = Object.entries(value).toSorted(byKey)
  return Object.fromEntries(members.map(([name, inner]) => [name, sorted(inner)]))
}

function cell(value: unknown, type: string, now: number): unknown {
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : typeof value === 'bigint' ? value : null
    case 'number':
      return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      if (typeof value !== 'string') return null
      return value === '' || (RFC3339.test(value) && !Number.isNaN(Date.parse(value))) ? humanAge(value, now) : '<invalid>'
    default:
      return null
  }
}
