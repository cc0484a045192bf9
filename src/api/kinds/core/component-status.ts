import { conditionOf } from '#api/conditions.ts'
import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { nameColumn } from '#api/kinds/columns.ts'

export type ComponentStatus = types.ComponentStatus

export const ComponentStatus = defineKind<ComponentStatus>({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  shortNames: ['cs'],
  scope: 'Cluster',
  verbs: ['get', 'list'],
  virtual: true,
  deprecated: 'v1 ComponentStatus is deprecated in v1.19+',
  columns: [
    nameColumn,
    {
      name: 'Status',
      description: 'Whether the component is well.',
      value(object) {
        const healthy = healthOf(object)
        return healthy ? (healthy.status === 'True' ? 'Healthy' : 'Unhealthy') : 'Unknown'
      },
    },
    { name: 'Message', description: 'What the component says.', value: (object) => healthOf(object)?.message ?? '' },
    { name: 'Error', description: 'What went wrong.', value: (object) => healthOf(object)?.error ?? '' },
  ],
})

function healthOf({ conditions }: ComponentStatus): types.ComponentCondition | undefined {
  return conditionOf(conditions, 'Healthy')
}
