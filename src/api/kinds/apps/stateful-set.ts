import { defineKind } from '#api/define-kind.ts'
import { defaultClaimSpec, defaultPodTemplate } from '#api/defaults/pod-spec.ts'
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { claimSpecWarnings } from '#api/kinds/core/claim-warnings.ts'
import { isChanged, templateWarnings } from '#api/kinds/core/pod-warnings.ts'
import { dnsLabel, forNames } from '#api/names.ts'
import { checkMessages, checkNonNegative, each, type Errors } from '#api/validation/checks.ts'
import { validateClaimSpec } from '#api/validation/claim-spec.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { validateWorkloadTemplate } from '#api/validation/pod-template.ts'
import { sameJson } from '#api/validation/same-json.ts'
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

export type StatefulSet = types.StatefulSet

const CHANGEABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const
const FROZEN = `updates to statefulset spec for fields other than ${CHANGEABLE.slice(0, -1)
  .map((field) => `'${field}'`)
  .join(', ')} and '${CHANGEABLE.at(-1)}' are forbidden`

export const StatefulSet = defineKind<StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  shortNames: ['sts'],
  categories: ['all'],
  scope: 'Namespaced',
  subresources: { scale: SCALE_SUBRESOURCE, status: STATUS },
  scale: SCALE,
  validateName: forNames(dnsLabel),
  generationOf: ({ spec }) => spec,
  prepareForCreate: (set) => dropMaxUnavailable(set),
  prepareForUpdate(next, previous, { subresource }) {
    const kept = previous.spec?.updateStrategy?.rollingUpdate?.maxUnavailable !== undefined
    if (!subresource && !kept) dropMaxUnavailable(next)
  },
  default(set) {
    set.status = { replicas: 0, availableReplicas: 0, ...set.status }
    const { spec } = set
    if (!spec) return
    spec.podManagementPolicy ||= 'OrderedReady'
    spec.updateStrategy ??= {}
    spec.updateStrategy.type ||= 'RollingUpdate'
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {}
      spec.updateStrategy.rollingUpdate.partition ??= 0
    }
    spec.persistentVolumeClaimRetentionPolicy ??= {}
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain'
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain'
    spec.replicas ??= 1
    spec.revisionHistoryLimit ??= 10
    defaultPodTemplate((spec.template ??= {}))
    for (const claim of spec.volumeClaimTemplates ?? []) {
      // A template is a whole object to the server: kind, version and phase are written into it.
      claim.apiVersion ??= 'v1'
      claim.kind ??= 'PersistentVolumeClaim'
      claim.spec ??= {}
      defaultClaimSpec(claim.spec)
      claim.status ??= {}
      claim.status.phase ??= 'Pending'
    }
  },
  validate({ spec, status }, previous, { subresource }) {
    const errors: FieldError[] = []
    if (subresource === 'status') {
      checkStatus(status, previous?.status, errors)
      return errors
    }
    const toleratePods = previous && validateSpec(previous.spec ?? {}, previous).length > 0
    errors.push(...validateSpec(spec ?? {}, previous, toleratePods))
    if (previous && !sameJson(frozen(spec), frozen(previous.spec))) errors.push(forbidden('spec', FROZEN))
    return errors
  },
  warnings: setWarnings,
  columns: [
    nameColumn,
    {
      name: 'Ready',
      description: 'Ready pods, of those wanted.',
      value: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    },
    ageColumn,
    ...workloadColumns<StatefulSet>(),
  ],
})

/** What cannot change is not looked at again. */
function validateSpec(spec: Partial<types.StatefulSetSpec>, previous?: StatefulSet, toleratePods = false): FieldError[] {
  const errors: FieldError[] = []
  const { podManagementPolicy: policy, persistentVolumeClaimRetentionPolicy: retention } = spec
  if (!policy) errors.push(required('spec.podManagementPolicy'))
  else if (policy !== 'OrderedReady' && policy !== 'Parallel')
    errors.push(invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"))
  checkStrategy(spec.updateStrategy, errors)
  for (const field of ['whenDeleted', 'whenScaled'] as const)
    if (retention && retention[field] !== 'Retain' && retention[field] !== 'Delete')
      errors.push(notSupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, retention[field] ?? '', ['Retain', 'Delete']))
  if (!previous)
    each(spec.volumeClaimTemplates, 'spec.volumeClaimTemplates', (claim, at) =>
      errors.push(...validateClaimSpec(claim.spec ?? {}, `${at}.spec`)),
    )
  checkNonNegative('spec.replicas', spec.replicas, errors)
  checkNonNegative('spec.minReadySeconds', spec.minReadySeconds, errors)
  checkNonNegative('spec.ordinals.start', spec.ordinals?.start, errors)
  if (!previous && spec.serviceName) checkMessages('spec.serviceName', spec.serviceName, dnsLabel(spec.serviceName), errors)
  errors.push(...validateWorkloadTemplate(validatable(spec), 'spec', { workload: 'StatefulSet', previous: previous?.spec, toleratePods }))
  return errors
}

/** Host names are the controller's, and so are the volumes of claims: it overwrites what the template says of them. */
function validatable(spec: Partial<types.StatefulSetSpec>): Partial<types.StatefulSetSpec> {
  const own = spec.template?.spec
  if (!own) return spec
  const { hostname: _hostname, subdomain: _subdomain, ...rest } = own
  const names = (spec.volumeClaimTemplates ?? []).flatMap(({ metadata }) => metadata?.name ?? [])
  const claimed = [...new Set(names)].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }))
  const volumes = [...claimed, ...(own.volumes ?? []).filter(({ name }) => !names.includes(name))]
  return { ...spec, template: { ...spec.template, spec: { ...rest, ...(volumes.length > 0 ? { volumes } : {}) } } }
}

function frozen(spec: types.StatefulSetSpec | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(spec ?? {}).filter(([field]) => !(CHANGEABLE as readonly string[]).includes(field)))
}

function checkStrategy(strategy: types.StatefulSetUpdateStrategy | undefined, errors: Errors): void {
  const at = 'spec.updateStrategy'
  const { type, rollingUpdate } = strategy ?? {}
  if (!type) return void errors.push(required(at))
  if (type === 'OnDelete') {
    if (rollingUpdate)
      errors.push(
        invalid(
          `${at}.rollingUpdate`,
          internalForm('RollingUpdateStatefulSet', rollingUpdate),
          "only allowed for updateStrategy 'RollingUpdate'",
        ),
      )
  } else if (type === 'RollingUpdate') {
    checkNonNegative(`${at}.rollingUpdate.partition`, rollingUpdate?.partition, errors)
    const { maxUnavailable } = rollingUpdate ?? {}
    if (maxUnavailable === undefined) return
    checkCountOrPercent(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable, errors)
    if (isZero(maxUnavailable)) errors.push(invalid(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable, 'cannot be 0'))
    checkAtMostHundred(`${at}.rollingUpdate.maxUnavailable`, maxUnavailable, errors)
  } else errors.push(invalid(at, internalForm('StatefulSetUpdateStrategy', strategy), "must be 'RollingUpdate' or 'OnDelete'"))
}

function checkStatus(
  status: Partial<types.StatefulSetStatus> = {},
  previous: Partial<types.StatefulSetStatus> | undefined,
  errors: Errors,
): void {
  const { replicas = 0, readyReplicas = 0, currentReplicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status
  const counts = { readyReplicas, currentReplicas, updatedReplicas, availableReplicas }
  const { observedGeneration, collisionCount } = status
  for (const [field, value] of Object.entries({ replicas, ...counts, observedGeneration, collisionCount }))
    checkNonNegative(`status.${field}`, value, errors)
  for (const [field, value] of Object.entries(counts))
    if (value > replicas) errors.push(invalid(`status.${field}`, value, 'cannot be greater than status.replicas'))
  if (availableReplicas > readyReplicas)
    errors.push(invalid('status.availableReplicas', availableReplicas, 'cannot be greater than status.readyReplicas'))
  checkCollisions(collisionCount, previous?.collisionCount, errors)
}

function setWarnings(next: StatefulSet, previous?: StatefulSet): string[] {
  const { template, volumeClaimTemplates, revisionHistoryLimit = 0 } = next.spec ?? {}
  const warnings = isChanged(next, previous) ? templateWarnings(template ?? {}, 'spec.template') : []
  // Upstream's two paths, as it spells them.
  for (const [index, claim] of (volumeClaimTemplates ?? []).entries())
    warnings.push(...claimSpecWarnings(claim.spec, `spec.volumeClaimTemplates[${index}]${previous ? '.Spec' : ''}`))
  if (revisionHistoryLimit < 0)
    warnings.push('spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended')
  return warnings
}

/** Its feature is off, and whoever reads the set shall see that. */
function dropMaxUnavailable({ spec }: StatefulSet): void {
  delete spec?.updateStrategy?.rollingUpdate?.maxUnavailable
}
