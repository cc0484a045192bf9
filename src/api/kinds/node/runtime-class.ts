import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { duplicate } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { validateLabels } from '#api/meta/object-meta.ts'
import { dnsLabel } from '#api/names.ts'
import { validateTolerations } from '#api/validation/affinity.ts'
import { checkImmutable, checkName, each, type Errors } from '#api/validation/checks.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { validateRequirements } from '#api/validation/resources.ts'
import { nodeLabelWarning } from '#api/validation/node-labels.ts'

export type RuntimeClass = types.RuntimeClass

export const RuntimeClass = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  scope: 'Cluster',
  createOnUpdate: true,
  requireResourceVersionOnUpdate: true,
  default: ({ overhead }) => defaultResourceList(overhead?.podFixed),
  validate(next, previous) {
    const errors: Errors = []
    checkName('handler', next.handler, dnsLabel, errors)
    // Upstream reads it as the limits of a container.
    if (next.overhead?.podFixed) errors.push(...validateRequirements({ limits: next.overhead.podFixed }, 'overhead'))
    errors.push(...validateLabels(next.scheduling?.nodeSelector, 'scheduling.nodeSelector'))
    errors.push(...validateTolerations(next.scheduling?.tolerations, 'scheduling.tolerations'))
    const seen = new Set<string>()
    each(next.scheduling?.tolerations, 'scheduling.tolerations', (toleration, at) => {
      const key = JSON.stringify([toleration.key, toleration.operator, toleration.value, toleration.effect].map((part) => part ?? ''))
      if (seen.has(key)) errors.push(duplicate(at, internalForm('Toleration', toleration)))
      seen.add(key)
    })
    if (previous) checkImmutable('handler', next.handler, previous.handler, errors)
    return errors
  },
  warnings: ({ scheduling }) =>
    Object.keys(scheduling?.nodeSelector ?? {}).flatMap((key) => {
      const warning = nodeLabelWarning(key)
      return warning ? [`scheduling.nodeSelector: ${warning}`] : []
    }),
  columns: columnsOf<RuntimeClass>({
    name: 'Handler',
    description: 'What the container runtime calls it.',
    value: ({ handler }) => handler ?? '',
  }),
})
