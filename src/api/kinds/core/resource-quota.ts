import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { type FieldError, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { checkImmutable, each, type Errors } from '#api/validation/checks.ts'
import { checkResourceAmount, checkResourceName } from '#api/validation/resources.ts'

export type ResourceQuota = types.ResourceQuota

const SCOPES = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
]
/** What can be counted of pods that ask for nothing. */
const BEST_EFFORT = ['pods']

export const ResourceQuota = defineKind<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  shortNames: ['quota'],
  scope: 'Namespaced',
  subresources: { status: { verbs: ['get', 'patch', 'update'] } },
  default({ spec, status }) {
    defaultResourceList(spec?.hard)
    defaultResourceList(status?.hard)
    defaultResourceList(status?.used)
  },
  validate: validateQuota,
  columns: [
    nameColumn,
    {
      name: 'Request',
      description: 'Used and allowed, of all but limits.',
      value: (quota) => usage(quota, (name) => !name.startsWith('limits.')),
    },
    { name: 'Limit', description: 'Used and allowed, of limits.', value: (quota) => usage(quota, (name) => name.startsWith('limits.')) },
    ageColumn,
  ],
})

function usage({ status }: ResourceQuota, wanted: (name: string) => boolean): string {
  return Object.keys(status?.hard ?? {})
    .filter(wanted)
    .toSorted()
    .map((name) => `${name}: ${status?.used?.[name] ?? '0'}/${status!.hard![name]}`)
    .join(', ')
}

function validateQuota(
  { spec = {}, status }: ResourceQuota,
  previous: ResourceQuota | undefined,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  const amounts = (list: Record<string, string> | undefined, path: string) => {
    for (const [name, amount] of Object.entries(list ?? {})) {
      checkResourceName(`${path}[${name}]`, name, errors)
      checkResourceAmount(`${path}[${name}]`, name, amount, errors)
    }
  }
  if (subresource === 'status') {
    amounts(status?.hard, 'status.hard')
    amounts(status?.used, 'status.used')
    return errors
  }
  amounts(spec.hard, 'spec.hard')
  const scopes = spec.scopes ?? []
  for (const scope of scopes) {
    if (!SCOPES.includes(scope)) errors.push(invalid('spec.scopes', scopes, 'unsupported scope'))
    if (scope === 'BestEffort' && Object.keys(spec.hard ?? {}).some((name) => !BEST_EFFORT.includes(name) && !name.startsWith('count/')))
      errors.push(invalid('spec.scopes', scopes, 'unsupported scope applied to resource'))
  }
  for (const [one, other] of [
    ['BestEffort', 'NotBestEffort'],
    ['Terminating', 'NotTerminating'],
  ] as const)
    if (scopes.includes(one) && scopes.includes(other)) errors.push(invalid('spec.scopes', scopes, 'conflicting scopes'))
  each(spec.scopeSelector?.matchExpressions, 'spec.scopeSelector.matchExpressions', ({ scopeName, operator, values }, at) => {
    if (!SCOPES.includes(scopeName)) errors.push(invalid(`${at}.scopeName`, scopeName ?? '', 'unsupported scope'))
    if (operator === 'In' || operator === 'NotIn') {
      if (!values?.length)
        errors.push(required(`${at}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values?.length)
        errors.push(invalid(`${at}.values`, values, "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"))
    } else errors.push(notSupported(`${at}.operator`, operator ?? '', ['DoesNotExist', 'Exists', 'In', 'NotIn']))
  })
  if (previous) checkImmutable('spec.scopes', spec.scopes, previous.spec?.scopes, errors)
  return errors
}
