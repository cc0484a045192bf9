import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'

export type EventsEvent = types.EventsEvent

export const EventsEvent = defineKind<EventsEvent>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  scope: 'Namespaced',
})
