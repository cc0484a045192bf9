import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type Job = types.Job

export const Job = defineKind<Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  categories: ['all'],
  scope: 'Namespaced',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
