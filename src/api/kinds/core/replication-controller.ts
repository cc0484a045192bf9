import { defineKind } from '#api/define-kind.ts'
import { defaultPodTemplate } from '#api/defaults/pod-spec.ts'
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { checkReplicaStatus } from '#api/kinds/apps/replica-set.ts'
import { SCALE, SCALE_SUBRESOURCE, STATUS } from '#api/kinds/apps/workload.ts'
import { ageColumn, nameColumn, templateColumns } from '#api/kinds/columns.ts'
import { checkNonNegative } from '#api/validation/checks.ts'
import { mapForm } from '#api/validation/internal-form.ts'
import { formatLabels, selectorMatches } from '#api/validation/label-selector.ts'
import { validatePodTemplate } from '#api/validation/pod-template.ts'
import { workloadWarnings } from './pod-warnings.ts'

export type ReplicationController = types.ReplicationController

export const ReplicationController = defineKind<ReplicationController>({
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  shortNames: ['rc'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: { scale: SCALE_SUBRESOURCE, status: STATUS },
  scale: SCALE,
  defaultPropagation: 'Orphan',
  fields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  generationOf: ({ spec }) => spec,
  default(controller) {
    controller.status = { replicas: 0, ...controller.status }
    const { spec } = controller
    if (!spec) return
    const labels = spec.template?.metadata?.labels
    if (labels) {
      if (isEmpty(spec.selector)) spec.selector = { ...labels }
      if (isEmpty(controller.metadata?.labels)) controller.metadata = { ...controller.metadata, labels: { ...labels } }
    }
    spec.replicas ??= 1
    defaultPodTemplate(spec.template)
  },
  validate: ({ spec = {}, status }, previous, { subresource }) => {
    const errors: FieldError[] = []
    if (subresource === 'status') {
      checkReplicaStatus(status, errors)
      return errors
    }
    checkNonNegative('spec.minReadySeconds', spec.minReadySeconds, errors)
    if (isEmpty(spec.selector)) errors.push(required('spec.selector'))
    checkNonNegative('spec.replicas', spec.replicas, errors)
    if (!spec.template) return [...errors, required('spec.template')]
    const labels = spec.template.metadata?.labels
    if (!isEmpty(spec.selector) && !selectorMatches({ matchLabels: spec.selector! }, labels))
      errors.push(invalid('spec.template.metadata.labels', mapForm(labels), '`selector` does not match template `labels`'))
    errors.push(...validatePodTemplate(spec.template, 'spec.template', previous?.spec?.template))
    const { restartPolicy = '', activeDeadlineSeconds } = spec.template.spec ?? {}
    const at = 'spec.template.spec'
    if (restartPolicy !== 'Always') errors.push(notSupported(`${at}.restartPolicy`, restartPolicy, ['Always']))
    if (activeDeadlineSeconds !== undefined)
      errors.push(forbidden(`${at}.activeDeadlineSeconds`, 'activeDeadlineSeconds in ReplicationController is not Supported'))
    return errors
  },
  warnings: workloadWarnings,
  columns: [
    nameColumn,
    { name: 'Desired', type: 'integer', description: 'Pods wanted.', value: ({ spec }) => spec?.replicas ?? 0 },
    { name: 'Current', type: 'integer', description: 'Pods there are.', value: ({ status }) => status?.replicas ?? 0 },
    { name: 'Ready', type: 'integer', description: 'Pods that are ready.', value: ({ status }) => status?.readyReplicas ?? 0 },
    ageColumn,
    ...templateColumns<ReplicationController>(({ spec }) => spec?.template),
    { name: 'Selector', description: 'Which pods belong to it.', priority: 1, value: ({ spec }) => formatLabels(spec?.selector) },
  ],
})

const isEmpty = (map: Record<string, string> | undefined) => Object.keys(map ?? {}).length === 0
