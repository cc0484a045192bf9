import { defineKind } from '#api/define-kind.ts'
import { forbidden } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { checkAmong, checkImmutable, type Errors } from '#api/validation/checks.ts'

export type PriorityClass = types.PriorityClass

const SYSTEM: Record<string, number> = { 'system-cluster-critical': 2_000_000_000, 'system-node-critical': 2_000_001_000 }

export const PriorityClass = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  shortNames: ['pc'],
  scope: 'Cluster',
  // Starts at 1 and stays there: nothing of it that counts may change.
  generationOf: () => 1,
  default(priority) {
    priority.preemptionPolicy ??= 'PreemptLowerPriority'
  },
  validate(next, previous) {
    const errors: Errors = []
    const name = next.metadata?.name ?? ''
    if (!previous) {
      if (name.startsWith('system-')) {
        const difference = fromSystem(name, next)
        if (difference)
          errors.push(
            forbidden('metadata.name', `priority class names with 'system-' prefix are reserved for system use only. error: ${difference}`),
          )
      } else if ((next.value ?? 0) > 1_000_000_000)
        errors.push(forbidden('value', 'maximum allowed value of a user defined priority is 1000000000'))
    } else {
      if ((next.value ?? 0) !== (previous.value ?? 0)) errors.push(forbidden('value', 'may not be changed in an update.'))
      checkImmutable('preemptionPolicy', next.preemptionPolicy, previous.preemptionPolicy, errors)
      return errors
    }
    checkAmong('preemptionPolicy', next.preemptionPolicy, ['PreemptLowerPriority', 'Never'], errors)
    return errors
  },
  columns: [
    nameColumn,
    { name: 'Value', type: 'integer', description: 'The priority: higher goes first.', value: ({ value }) => value ?? 0 },
    {
      name: 'Global-Default',
      type: 'boolean',
      description: 'Whether pods without a class get it.',
      value: ({ globalDefault }) => globalDefault ?? false,
    },
    ageColumn,
    {
      name: 'PreemptionPolicy',
      description: 'Whether its pods may displace others.',
      value: ({ preemptionPolicy }) => preemptionPolicy ?? '',
    },
  ],
})

/** What is different from the two that every cluster has. */
function fromSystem(name: string, { value, globalDefault = false }: PriorityClass): string | undefined {
  if (!Object.hasOwn(SYSTEM, name)) return `${name} is not a known system priority class`
  if (value !== SYSTEM[name]) return `value of ${name} PriorityClass must be ${SYSTEM[name]}`
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined
}
