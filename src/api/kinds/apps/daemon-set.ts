import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type DaemonSet = types.DaemonSet

export const DaemonSet = defineKind<DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  shortNames: ['ds'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
