import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { eventColumns, involvedFields, validateEvent } from '#api/kinds/core/event.ts'
import { checkImmutable, type Errors } from '#api/validation/checks.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { sameJson } from '#api/validation/same-json.ts'

export type EventsEvent = types.EventsEvent

/** The newer shape of core events: one stored thing, two views. */
export const EventsEvent = defineKind<EventsEvent>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  scope: 'Namespaced',
  storageVersion: { group: '', version: 'v1' },
  convert: { toStorage: toCore, fromStorage: (stored) => fromCore(stored as types.CoreEvent) },
  createOnUpdate: true,
  fields: {
    ...involvedFields('regarding', ({ regarding }) => regarding),
    ...involvedFields('involvedObject', ({ regarding }) => regarding),
    reason: ({ reason }) => reason ?? '',
    reportingController: ({ reportingController }) => reportingController ?? '',
    type: ({ type }) => type ?? '',
  },
  validate: validateStrict,
  columns: eventColumns.map((column) => ({ ...column, value: (event, context) => column.value(toCore(event), context) })),
})

const RENAMED = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
] as const

const REPORTERS = ['reportingComponent', 'reportingInstance'] as const

function toCore(event: EventsEvent): types.CoreEvent {
  const core: Record<string, unknown> = { ...event, apiVersion: 'v1', kind: 'Event' }
  for (const [old, renamed] of RENAMED) rename(core, renamed, old)
  core['involvedObject'] ??= {}
  for (const reporter of REPORTERS) core[reporter] ??= ''
  return core as unknown as types.CoreEvent
}

function fromCore(core: types.CoreEvent): EventsEvent {
  const event: Record<string, unknown> = { ...core, apiVersion: 'events.k8s.io/v1', kind: 'Event' }
  for (const [old, renamed] of RENAMED) rename(event, old, renamed)
  event['eventTime'] ??= null
  // What the older shape always says, this one leaves out.
  for (const reporter of ['reportingController', 'reportingInstance']) if (event[reporter] === '') delete event[reporter]
  if (core.series) event['series'] = { ...core.series, count: core.series.count ?? 0 }
  return event as unknown as EventsEvent
}

function rename(object: Record<string, unknown>, from: string, to: string): void {
  if (object[from] === undefined) return
  object[to] = object[from]
  delete object[from]
}

function validateStrict(event: EventsEvent, previous?: EventsEvent): FieldError[] {
  const errors: Errors = validateEvent(toCore(event), 'reportingController')
  if (!sameJson(event.series, previous?.series)) checkSeries(event, errors)
  if (previous) {
    for (const field of FROZEN) checkImmutable(OLD_NAMES[field] ?? field, shown(event[field]), shown(previous[field]), errors)
    return errors
  }
  if (!event.eventTime) errors.push(required('eventTime'))
  if (event.type !== 'Normal' && event.type !== 'Warning') errors.push(invalid('type', '', `has invalid value: ${event.type ?? ''}`))
  const unset = (field: string, value: unknown) => {
    if (value) errors.push(invalid(field, '', 'needs to be unset'))
  }
  unset('firstTimestamp', event.deprecatedFirstTimestamp)
  unset('lastTimestamp', event.deprecatedLastTimestamp)
  unset('count', event.deprecatedCount)
  unset('source', event.deprecatedSource && Object.keys(event.deprecatedSource).length)
  return errors
}

const FROZEN = [
  'regarding',
  'reason',
  'note',
  'deprecatedSource',
  'deprecatedFirstTimestamp',
  'deprecatedLastTimestamp',
  'deprecatedCount',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingController',
  'reportingInstance',
] as const

/** Errors name the fields of the stored shape. */
const OLD_NAMES: Partial<Record<keyof EventsEvent, string>> = {
  regarding: 'involvedObject',
  note: 'message',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
}

/** References as upstream's structure prints. */
const shown = (value: unknown) =>
  typeof value === 'object' && value !== null && 'name' in value ? internalForm('ObjectReference', value) : value

function checkSeries({ series }: EventsEvent, errors: Errors): void {
  if (!series) return
  if ((series.count ?? 0) < 2) errors.push(invalid('series.count', '', 'should be at least 2'))
  if (!series.lastObservedTime) errors.push(required('series.lastObservedTime'))
}
