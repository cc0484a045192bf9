import { defineKind } from '#api/define-kind.ts'
import { defaultPodTemplate } from '#api/defaults/pod-spec.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { workloadWarnings } from '#api/kinds/core/pod-warnings.ts'
import { checkImmutable, checkNonNegative, type Errors } from '#api/validation/checks.ts'
import { selectorForm } from '#api/validation/internal-form.ts'
import { validateWorkloadTemplate } from '#api/validation/pod-template.ts'
import { SCALE, SCALE_SUBRESOURCE, STATUS, selectorColumn, workloadColumns } from './workload.ts'

export type ReplicaSet = types.ReplicaSet

export const ReplicaSet = defineKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  shortNames: ['rs'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: { scale: SCALE_SUBRESOURCE, status: STATUS },
  scale: SCALE,
  fields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  generationOf: ({ spec }) => spec,
  default(set) {
    set.status = { replicas: 0, ...set.status }
    const { spec } = set
    if (!spec) return
    spec.replicas ??= 1
    defaultPodTemplate((spec.template ??= {}))
  },
  validate(next, previous, { subresource }) {
    const errors: FieldError[] = []
    if (subresource === 'status') {
      checkReplicaStatus(next.status, errors)
      return errors
    }
    const spec = next.spec ?? ({} as types.ReplicaSetSpec)
    checkNonNegative('spec.replicas', spec.replicas, errors)
    checkNonNegative('spec.minReadySeconds', spec.minReadySeconds, errors)
    errors.push(...validateWorkloadTemplate(spec, 'spec', { previous: previous?.spec }))
    if (previous) checkImmutable('spec.selector', selectorForm(spec.selector), selectorForm(previous.spec?.selector), errors)
    return errors
  },
  warnings: workloadWarnings,
  columns: [
    nameColumn,
    { name: 'Desired', type: 'integer', description: 'Pods wanted.', value: ({ spec }) => spec?.replicas ?? 0 },
    { name: 'Current', type: 'integer', description: 'Pods there are.', value: ({ status }) => status?.replicas ?? 0 },
    { name: 'Ready', type: 'integer', description: 'Pods that are ready.', value: ({ status }) => status?.readyReplicas ?? 0 },
    ageColumn,
    ...workloadColumns<ReplicaSet>(),
    selectorColumn(({ spec }) => spec?.selector),
  ],
})

/** Also of replication controllers. */
export function checkReplicaStatus(status: types.ReplicaSetStatus | undefined, errors: Errors): void {
  const {
    replicas = 0,
    fullyLabeledReplicas = 0,
    readyReplicas = 0,
    availableReplicas = 0,
    terminatingReplicas,
    observedGeneration,
  } = status ?? {}
  const counts = { replicas, fullyLabeledReplicas, readyReplicas, availableReplicas, terminatingReplicas, observedGeneration }
  for (const [field, value] of Object.entries(counts)) checkNonNegative(`status.${field}`, value, errors)
  const message = 'cannot be greater than status.replicas'
  if (fullyLabeledReplicas > replicas) errors.push(invalid('status.fullyLabeledReplicas', fullyLabeledReplicas, message))
  if (readyReplicas > replicas) errors.push(invalid('status.readyReplicas', readyReplicas, message))
  if (availableReplicas > replicas) errors.push(invalid('status.availableReplicas', availableReplicas, message))
  if (availableReplicas > readyReplicas)
    errors.push(invalid('status.availableReplicas', availableReplicas, 'cannot be greater than readyReplicas'))
}
