import { defineKind } from '#api/define-kind.ts'
import { defaultPodTemplate } from '#api/defaults/pod-spec.ts'
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { workloadWarnings } from '#api/kinds/core/pod-warnings.ts'
import { checkImmutable, checkNonNegative, type Errors } from '#api/validation/checks.ts'
import { internalForm, selectorForm } from '#api/validation/internal-form.ts'
import { selectorText } from '#api/validation/label-selector.ts'
import { validateWorkloadTemplate } from '#api/validation/pod-template.ts'
import {
  checkAtMostHundred,
  checkCollisions,
  checkCountOrPercent,
  isZero,
  SCALE,
  SCALE_SUBRESOURCE,
  STATUS,
  workloadColumns,
} from './workload.ts'

export type Deployment = types.Deployment

export const Deployment = defineKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  shortNames: ['deploy'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: { scale: SCALE_SUBRESOURCE, status: STATUS },
  scale: SCALE,
  // Annotations count: the controller copies them to its replica sets and reports having seen them.
  generationOf: ({ spec, metadata }) => [spec, metadata?.annotations],
  default: defaultDeployment,
  validate: validateDeployment,
  warnings: workloadWarnings,
  columns: [
    nameColumn,
    {
      name: 'Ready',
      description: 'Ready pods, of those wanted.',
      value: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    },
    { name: 'Up-to-date', description: 'Pods of the current template.', value: ({ status }) => status?.updatedReplicas ?? 0 },
    { name: 'Available', description: 'Pods ready for long enough.', value: ({ status }) => status?.availableReplicas ?? 0 },
    ageColumn,
    ...workloadColumns<Deployment>(),
    { name: 'Selector', description: 'Which pods belong to it.', priority: 1, value: ({ spec }) => selectorText(spec?.selector) },
  ],
})

function defaultDeployment(deployment: Deployment): void {
  deployment.status ??= {}
  const spec = (deployment.spec ??= {} as types.DeploymentSpec)
  spec.replicas ??= 1
  spec.strategy ??= {}
  spec.strategy.type ||= 'RollingUpdate'
  if (spec.strategy.type === 'RollingUpdate') {
    const rolling = (spec.strategy.rollingUpdate ??= {})
    rolling.maxUnavailable ??= '25%'
    rolling.maxSurge ??= '25%'
  }
  spec.revisionHistoryLimit ??= 10
  spec.progressDeadlineSeconds ??= 600
  defaultPodTemplate((spec.template ??= {}))
}

function validateDeployment(
  { spec, status }: Deployment,
  previous: Deployment | undefined,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: FieldError[] = []
  if (subresource === 'status') {
    checkStatus(status, previous?.status, errors)
    return errors
  }
  checkNonNegative('spec.replicas', spec!.replicas, errors)
  errors.push(...validateWorkloadTemplate(spec!, 'spec', { previous: previous?.spec }))
  checkStrategy(spec!.strategy, errors)
  for (const field of ['minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds'] as const)
    checkNonNegative(`spec.${field}`, spec![field], errors)
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec!
  if (deadline !== undefined && deadline <= minReadySeconds)
    errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'))
  if (previous) checkImmutable('spec.selector', selectorForm(spec!.selector), selectorForm(previous.spec?.selector), errors)
  return errors
}

function checkStrategy(strategy: types.DeploymentStrategy | undefined, errors: Errors): void {
  const { type, rollingUpdate } = strategy ?? {}
  const at = 'spec.strategy.rollingUpdate'
  if (type === 'Recreate') {
    if (rollingUpdate) errors.push(forbidden(at, "may not be specified when strategy `type` is 'Recreate'"))
    return
  }
  if (type !== 'RollingUpdate')
    return void errors.push(notSupported('spec.strategy', internalForm('DeploymentStrategy', strategy), ['Recreate', 'RollingUpdate']))
  if (!rollingUpdate) return void errors.push(required(at, 'this should be defaulted and never be nil'))
  const { maxUnavailable, maxSurge } = rollingUpdate
  checkCountOrPercent(`${at}.maxUnavailable`, maxUnavailable, errors)
  checkCountOrPercent(`${at}.maxSurge`, maxSurge, errors)
  if (isZero(maxUnavailable) && isZero(maxSurge))
    errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable ?? 0, 'may not be 0 when `maxSurge` is 0'))
  checkAtMostHundred(`${at}.maxUnavailable`, maxUnavailable, errors)
}

const COUNTS = [
  'replicas',
  'updatedReplicas',
  'readyReplicas',
  'availableReplicas',
  'unavailableReplicas',
  'terminatingReplicas',
  'collisionCount',
] as const

function checkStatus(status: types.DeploymentStatus = {}, previous: types.DeploymentStatus = {}, errors: Errors): void {
  checkNonNegative('status.observedGeneration', status.observedGeneration, errors)
  for (const field of COUNTS) checkNonNegative(`status.${field}`, status[field], errors)
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0, collisionCount } = status
  const message = 'cannot be greater than status.replicas'
  if (updatedReplicas > replicas) errors.push(invalid('status.updatedReplicas', updatedReplicas, message))
  if (readyReplicas > replicas) errors.push(invalid('status.readyReplicas', readyReplicas, message))
  if (availableReplicas > replicas) errors.push(invalid('status.availableReplicas', availableReplicas, message))
  if (availableReplicas > readyReplicas)
    errors.push(invalid('status.availableReplicas', availableReplicas, 'cannot be greater than readyReplicas'))
  checkCollisions(collisionCount, previous.collisionCount, errors)
}
