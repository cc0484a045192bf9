import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { validateLabels } from '#api/meta/object-meta.ts'
import { dnsLabel } from '#api/names.ts'
import { validateTolerations } from '#api/validation/affinity.ts'
import { checkImmutable, checkName, type Errors } from '#api/validation/checks.ts'
import { checkResourceAmount } from '#api/validation/resources.ts'
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
    for (const [name, amount] of Object.entries(next.overhead?.podFixed ?? {}))
      checkResourceAmount(`overhead.podFixed[${name}]`, name, amount, errors)
    errors.push(...validateLabels(next.scheduling?.nodeSelector, 'scheduling.nodeSelector'))
    errors.push(...validateTolerations(next.scheduling?.tolerations, 'scheduling.tolerations'))
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
