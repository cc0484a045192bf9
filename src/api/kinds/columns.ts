// Columns that many kinds have in common.
import type { PodTemplateSpec } from '#api/generated/types.ts'
import { humanAge } from '#api/human-duration.ts'
import type { Column } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'

export const nameColumn: Column<KubeObject> = {
  name: 'Name',
  description: 'Name of the object, unique within its namespace.',
  format: 'name',
  value: (object) => object.metadata?.name ?? '',
}

export const ageColumn: Column<KubeObject> = {
  name: 'Age',
  description: 'Time since the object was created.',
  value: (object, { now }) => humanAge(object.metadata?.creationTimestamp, now),
}

/** Name first, age last: how most kinds print. */
export function columnsOf<T extends KubeObject>(...columns: Column<T>[]): Column<T>[] {
  return [nameColumn, ...columns, ageColumn]
}

/** Containers and images of a pod template, shown only wide. */
export function templateColumns<T extends KubeObject>(templateOf: (object: T) => PodTemplateSpec | undefined, priority = 1): Column<T>[] {
  const containers = (object: T) => templateOf(object)?.spec?.containers ?? []
  return [
    {
      name: 'Containers',
      description: 'Names of the containers of the template.',
      priority,
      value: (object) =>
        containers(object)
          .map(({ name }) => name)
          .join(','),
    },
    {
      name: 'Images',
      description: 'Images of the containers of the template.',
      priority,
      value: (object) =>
        containers(object)
          .map(({ image }) => image ?? '')
          .join(','),
    },
  ]
}

/** At most three of a list, then how many more. */
export function firstThree(items: readonly string[]): string {
  return items.length > 3 ? `${items.slice(0, 3).join(',')} + ${items.length - 3} more...` : items.join(',')
}
