import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type CronJob = types.CronJob

export const CronJob = defineKind<CronJob>({
  group: 'batch',
  version: 'v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  shortNames: ['cj'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
})
