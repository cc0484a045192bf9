import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { humanAge } from '#api/human-duration.ts'
import type { Column } from '#api/kind.ts'
import { nameColumn } from '#api/kinds/columns.ts'
import { forNames, pathSegment, qualifiedName } from '#api/names.ts'
import { checkMessages, checkRequired, type Errors } from '#api/validation/checks.ts'

export type CoreEvent = types.CoreEvent

/** `source.component`, or the newer field for it. */
const sourceOf = (event: CoreEvent) => event.source?.component || event.reportingComponent || ''

const columns: Column<CoreEvent>[] = [
  { name: 'Last Seen', description: 'Time since it was seen last.', value: (event, { now }) => humanAge(lastSeen(event), now) },
  { name: 'Type', description: 'Normal or Warning.', value: ({ type }) => type ?? '' },
  { name: 'Reason', description: 'Why, in one word.', value: ({ reason }) => reason ?? '' },
  {
    name: 'Object',
    description: 'What it is about.',
    value: ({ involvedObject: { kind = '', name = '' } = {} }) => (name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase()),
  },
  {
    name: 'Subobject',
    priority: 1,
    description: 'Which part of the object.',
    value: ({ involvedObject }) => involvedObject?.fieldPath ?? '',
  },
  {
    name: 'Source',
    priority: 1,
    description: 'Who reports it.',
    value(event) {
      const host = event.source?.host || event.reportingInstance
      return host ? `${sourceOf(event)}, ${host}` : sourceOf(event)
    },
  },
  { name: 'Message', description: 'What happened.', value: ({ message }) => (message ?? '').trim() },
  {
    name: 'First Seen',
    priority: 1,
    description: 'Time since it was seen first.',
    value: (event, { now }) => humanAge(firstSeen(event), now),
  },
  { name: 'Count', priority: 1, description: 'How often it was seen.', value: ({ series, count }) => series?.count || count || 1 },
  { ...nameColumn, priority: 1 },
]

export const CoreEvent = defineKind<CoreEvent>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  scope: 'Namespaced',
  createOnUpdate: true,
  validateName: forNames(pathSegment),
  fields: {
    ...involvedFields('involvedObject', ({ involvedObject }) => involvedObject),
    reason: ({ reason }) => reason ?? '',
    reportingComponent: ({ reportingComponent }) => reportingComponent ?? '',
    source: sourceOf,
    type: ({ type }) => type ?? '',
  },
  validate: (event) => validateEvent(event, 'reportingComponent'),
  columns,
})

/** Selectors over an object reference, under the name one of the two groups gives it. */
export function involvedFields<T>(
  prefix: string,
  of: (event: T) => types.ObjectReference | undefined,
): Record<string, (event: T) => string> {
  const parts = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const
  return Object.fromEntries(parts.map((part) => [`${prefix}.${part}`, (event: T) => of(event)?.[part] ?? '']))
}

/** What holds in both groups, which name the `controller` differently. */
export function validateEvent(event: CoreEvent, controller: 'reportingComponent' | 'reportingController'): FieldError[] {
  const errors: Errors = []
  const namespace = event.metadata?.namespace ?? ''
  const involved = event.involvedObject?.namespace ?? ''
  const mismatch = () => errors.push(invalid('involvedObject.namespace', involved, 'does not match event.namespace'))
  if (!event.eventTime) {
    // An event of the old style: about an object of its own namespace, or of the cluster.
    if (involved ? involved !== namespace : namespace !== '' && namespace !== 'default') mismatch()
    return errors
  }
  if (!involved && namespace !== 'default' && namespace !== 'kube-system') mismatch()
  const reporter = event.reportingComponent ?? ''
  checkRequired(controller, reporter, errors)
  checkMessages(controller, reporter, qualifiedName(reporter), errors)
  const checkShort = (field: string, value: string, most: number) => {
    if (Buffer.byteLength(value) > most) errors.push(invalid(field, '', `can have at most ${most} characters`))
  }
  for (const field of ['reportingInstance', 'action', 'reason'] as const) {
    checkRequired(field, event[field], errors)
    checkShort(field, event[field] ?? '', 128)
  }
  checkShort('message', event.message ?? '', 1024)
  return errors
}

export const eventColumns = columns

function lastSeen(event: CoreEvent): string | null | undefined {
  return event.series?.lastObservedTime || event.lastTimestamp || firstSeen(event)
}

function firstSeen({ firstTimestamp, eventTime }: CoreEvent): string | null | undefined {
  return firstTimestamp || eventTime
}
