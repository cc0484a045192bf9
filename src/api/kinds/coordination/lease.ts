import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type Lease = types.Lease

export const Lease = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  scope: 'Namespaced',
})
