import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type FlowSchema = types.FlowSchema

export const FlowSchema = defineKind<FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
