import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type Node = types.Node

export const Node = defineKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no'],
  scope: 'Cluster',
  subresources: {
    proxy: { verbs: ['create', 'delete', 'get', 'patch', 'update'], kind: { group: '', version: 'v1', kind: 'NodeProxyOptions' } },
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
