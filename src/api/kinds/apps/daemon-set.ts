import { defineKind } from '#api/define-kind.ts'
import { defaultPodTemplate } from '#api/defaults/pod-spec.ts'
import { type FieldError, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { isChanged, templateWarnings } from '#api/kinds/core/pod-warnings.ts'
import { checkImmutable, checkNonNegative, type Errors } from '#api/validation/checks.ts'
import { internalForm, selectorForm } from '#api/validation/internal-form.ts'
import { formatLabels } from '#api/validation/label-selector.ts'
import { validateWorkloadTemplate } from '#api/validation/pod-template.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { TEMPLATE_GENERATION_ANNOTATION } from '#api/well-known.ts'
import { checkAtMostHundred, checkCollisions, checkCountOrPercent, isZero, STATUS, selectorColumn, workloadColumns } from './workload.ts'

export type DaemonSet = types.DaemonSet

export const DaemonSet = defineKind<DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  shortNames: ['ds'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: { status: STATUS },
  generationOf: ({ spec }) => spec,
  default(set) {
    set.status = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0, ...set.status }
    const { spec } = set
    if (!spec) return
    spec.updateStrategy ??= {}
    spec.updateStrategy.type ||= 'RollingUpdate'
    if (spec.updateStrategy.type === 'RollingUpdate') {
      const rolling = (spec.updateStrategy.rollingUpdate ??= {})
      rolling.maxUnavailable ??= 1
      rolling.maxSurge ??= 0
    }
    spec.revisionHistoryLimit ??= 10
    defaultPodTemplate((spec.template ??= {}))
  },
  prepareForCreate: (set) => setTemplateGeneration(set, 1),
  prepareForUpdate(next, previous, { subresource }) {
    if (subresource) return
    const before = Number(previous.metadata?.annotations?.[TEMPLATE_GENERATION_ANNOTATION] ?? 0)
    setTemplateGeneration(next, sameJson(next.spec?.template, previous.spec?.template) ? before : before + 1)
  },
  validate({ spec, status }, previous, { subresource }) {
    const errors: FieldError[] = []
    if (subresource === 'status') {
      checkStatus(status, previous?.status, errors)
      return errors
    }
    if (previous) checkImmutable('spec.selector', selectorForm(spec?.selector), selectorForm(previous.spec?.selector), errors)
    errors.push(...validateWorkloadTemplate(spec ?? {}, 'spec', { workload: 'DaemonSet', previous: previous?.spec }))
    checkNonNegative('spec.minReadySeconds', spec?.minReadySeconds, errors)
    checkStrategy(spec?.updateStrategy, errors)
    checkNonNegative('spec.revisionHistoryLimit', spec?.revisionHistoryLimit, errors)
    return errors
  },
  warnings: (next, previous) => (isChanged(next, previous) ? templateWarnings(next.spec?.template ?? {}, 'spec.template') : []),
  columns: [
    nameColumn,
    {
      name: 'Desired',
      type: 'integer',
      description: 'Nodes that should run a pod.',
      value: ({ status }) => status?.desiredNumberScheduled ?? 0,
    },
    {
      name: 'Current',
      type: 'integer',
      description: 'Nodes that run a pod and should.',
      value: ({ status }) => status?.currentNumberScheduled ?? 0,
    },
    { name: 'Ready', type: 'integer', description: 'Nodes whose pod is ready.', value: ({ status }) => status?.numberReady ?? 0 },
    {
      name: 'Up-to-date',
      type: 'integer',
      description: 'Nodes whose pod is of the current template.',
      value: ({ status }) => status?.updatedNumberScheduled ?? 0,
    },
    {
      name: 'Available',
      type: 'integer',
      description: 'Nodes whose pod is ready for long enough.',
      value: ({ status }) => status?.numberAvailable ?? 0,
    },
    {
      name: 'Node Selector',
      description: 'Labels a node must have.',
      value: ({ spec }) => formatLabels(spec?.template?.spec?.nodeSelector),
    },
    ageColumn,
    ...workloadColumns<DaemonSet>(),
    selectorColumn(({ spec }) => spec?.selector),
  ],
})

function setTemplateGeneration(set: DaemonSet, generation: number): void {
  set.metadata = { ...set.metadata, annotations: { ...set.metadata?.annotations, [TEMPLATE_GENERATION_ANNOTATION]: String(generation) } }
}

function checkStrategy(strategy: types.DaemonSetUpdateStrategy | undefined, errors: Errors): void {
  const { type, rollingUpdate } = strategy ?? {}
  if (type === 'OnDelete') return
  if (type !== 'RollingUpdate')
    return void errors.push(
      notSupported('spec.updateStrategy', internalForm('DeploymentStrategy', strategy), ['RollingUpdate', 'OnDelete']),
    )
  const at = 'spec.updateStrategy.rollingUpdate'
  if (!rollingUpdate) return void errors.push(required(at))
  const { maxUnavailable, maxSurge } = rollingUpdate
  checkCountOrPercent(`${at}.maxUnavailable`, maxUnavailable, errors)
  checkCountOrPercent(`${at}.maxSurge`, maxSurge, errors)
  checkAtMostHundred(`${at}.maxUnavailable`, maxUnavailable, errors)
  checkAtMostHundred(`${at}.maxSurge`, maxSurge, errors)
  if (!isZero(maxUnavailable) && !isZero(maxSurge))
    errors.push(invalid(`${at}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'))
  else if (isZero(maxUnavailable) && isZero(maxSurge)) errors.push(required(`${at}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'))
}

function checkStatus(status: types.DaemonSetStatus | undefined, previous: types.DaemonSetStatus | undefined, errors: Errors): void {
  const fields = [
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
    'collisionCount',
  ] as const
  for (const field of fields) checkNonNegative(`status.${field}`, status?.[field], errors)
  checkCollisions(status?.collisionCount, previous?.collisionCount, errors)
}
