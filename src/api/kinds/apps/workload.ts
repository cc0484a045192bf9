// What the kinds that keep a number of pods running share: the common columns, defaults and rules.
import type { LabelSelector, PodTemplateSpec } from '#api/generated/types.ts'
import { type IntOrString, percentOf } from '#api/int-or-string.ts'
import type { Column } from '#api/kind.ts'
import { templateColumns } from '#api/kinds/columns.ts'
import { percentMessages } from '#api/names.ts'
import type { KubeObject } from '#api/object.ts'
import { invalid } from '#api/field-error.ts'
import { checkMessages, type Errors, NON_NEGATIVE } from '#api/validation/checks.ts'
import { formatSelector } from '#api/validation/label-selector.ts'

interface Workload extends KubeObject {
  spec?: { template?: PodTemplateSpec; selector?: LabelSelector }
}

export function workloadColumns<T extends Workload>(): Column<T>[] {
  return templateColumns<T>(({ spec }) => spec?.template)
}

export function selectorColumn<T>(selectorOf: (object: T) => LabelSelector | undefined): Column<T> {
  return { name: 'Selector', description: 'Which pods belong to it.', priority: 1, value: (object) => formatSelector(selectorOf(object)) }
}

export const SCALE = { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', labelSelector: 'spec.selector' }
export const STATUS = { verbs: ['get', 'patch', 'update'] }
export const SCALE_SUBRESOURCE = { verbs: ['get', 'patch', 'update'], kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' } }

/** A count or a percentage, not negative. */
export function checkCountOrPercent(path: string, value: IntOrString | undefined, errors: Errors): void {
  if (value === undefined) return
  if (typeof value === 'string') checkMessages(path, value, percentMessages(value), errors)
  else if (value < 0) errors.push(invalid(path, value, NON_NEGATIVE))
}

export function checkAtMostHundred(path: string, value: IntOrString | undefined, errors: Errors): void {
  if (value !== undefined && (percentOf(value) ?? 0) > 100) errors.push(invalid(path, value, 'must not be greater than 100%'))
}

export const isZero = (value: IntOrString | undefined) => value === undefined || value === 0 || percentOf(value) === 0

/** How often names collided: it only grows. */
export function checkCollisions(next: number | undefined, previous: number | undefined, errors: Errors): void {
  if (previous !== undefined && (next ?? -Infinity) < previous)
    errors.push(invalid('status.collisionCount', next ?? 0, 'cannot be decremented'))
}
