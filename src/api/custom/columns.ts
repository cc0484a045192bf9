// The printer columns of a custom resource: its name, then what its definition names, or its age.
import type { CustomResourceColumnDefinition } from '#api/generated/types.ts'
import { humanAge } from '#api/human-duration.ts'
import type { Column } from '#api/kind.ts'
import { nameColumn } from '#api/kinds/columns.ts'
import type { KubeObject } from '#api/object.ts'
import { JsonPath } from './json-path.ts'

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
      const found = path.find(object)
      if (found.length === 0) return null
      return kind === 'string' ? found.map(text).join(' ') : cell(found[0], kind, now)
    },
  }
}

const text = (value: unknown): string => (value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value))

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
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : humanAge(value, now)
    default:
      return null
  }
}
