import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type Endpoints = types.Endpoints

export const Endpoints = defineKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  shortNames: ['ep'],
  scope: 'Namespaced',
})
