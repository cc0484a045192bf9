import { defineKind } from '#api/define-kind.ts'
import { defaultResourceList } from '#api/defaults/resource-list.ts'
import { type FieldError, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { type Errors, IMMUTABLE } from '#api/validation/checks.ts'
import { checkQuotaResourceName, checkResourceAmount, isQuotaResource } from '#api/validation/resources.ts'
import { sameJson } from '#api/validation/same-json.ts'

export type ResourceQuota = types.ResourceQuota

const OF_PODS = ['pods', 'cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory']
/** What can be limited within a scope. */
const SCOPES: Record<string, readonly string[]> = {
  BestEffort: ['pods'],
  CrossNamespacePodAffinity: OF_PODS,
  NotBestEffort: OF_PODS,
  NotTerminating: OF_PODS,
  PriorityClass: OF_PODS,
  Terminating: OF_PODS,
  VolumeAttributesClass: ['persistentvolumeclaims', 'requests.storage'],
}
const CONFLICTING = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
]
/** Scopes that a pod is in or not. */
const EXISTENCE = ['Terminating', 'NotTerminating', 'BestEffort', 'NotBestEffort', 'CrossNamespacePodAffinity']
const EXISTS_ONLY =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
const MISFIT = 'unsupported scope applied to resource'

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
  const checkAmounts = (list: Record<string, string> | undefined, path: string) => {
    for (const [name, amount] of Object.entries(list ?? {})) {
      checkQuotaResourceName(`${path}[${name}]`, name, errors)
      checkResourceAmount(`${path}[${name}]`, name, amount, errors)
    }
  }
  if (subresource !== 'status') {
    checkAmounts(spec.hard, 'spec.hard')
    checkScopes(spec, errors)
    checkSelector(spec, errors)
  }
  if (!previous || subresource === 'status') {
    checkAmounts(status?.hard, 'status.hard')
    checkAmounts(status?.used, 'status.used')
  } else if (!sameJson([...new Set(spec.scopes)].toSorted(), [...new Set(previous.spec?.scopes)].toSorted()))
    errors.push(invalid('spec.scopes', spec.scopes ?? null, IMMUTABLE))
  return errors
}

/** How many of what is limited in `spec` a scope cannot be applied to. Only the usual resources have a say. */
const misfits = (scope: string, { hard }: types.ResourceQuotaSpec) =>
  Object.keys(hard ?? {}).filter((name) => isQuotaResource(name) && Object.hasOwn(SCOPES, scope) && !SCOPES[scope]!.includes(name))

function checkScopes(spec: types.ResourceQuotaSpec, errors: Errors): void {
  const scopes = spec.scopes ?? []
  // Each error shows all scopes: what they have in common is told once.
  const odd = scopes.find((scope) => !Object.hasOwn(SCOPES, scope))
  for (const scope of new Set(scopes)) {
    if (scope === odd) errors.push(invalid('spec.scopes', scopes, 'unsupported scope'))
    for (const _ of misfits(scope, spec)) errors.push(invalid('spec.scopes', scopes, MISFIT))
  }
  checkConflicts('spec.scopes', scopes, scopes, errors)
}

function checkConflicts(path: string, scopes: readonly string[], shown: unknown, errors: Errors): void {
  for (const pair of CONFLICTING) if (pair.every((scope) => scopes.includes(scope))) errors.push(invalid(path, shown, 'conflicting scopes'))
}

/** Upstream names no index here. */
function checkSelector(spec: types.ResourceQuotaSpec, errors: Errors): void {
  const expressions = spec.scopeSelector?.matchExpressions ?? []
  const at = 'spec.scopeSelector.matchExpressions'
  // As upstream's structure prints.
  const shown = () => ({
    MatchExpressions: expressions.map(({ scopeName, operator, values }) => ({
      ScopeName: scopeName ?? '',
      Operator: operator ?? '',
      Values: values ?? null,
    })),
  })
  const seen = new Set<string>()
  for (const { scopeName = '', operator = '', values = [] } of expressions) {
    if (!Object.hasOwn(SCOPES, scopeName)) errors.push(invalid(`${at}.scopeName`, scopeName, 'unsupported scope'))
    else if (!seen.has(scopeName)) for (const _ of misfits(scopeName, spec)) errors.push(invalid(at, shown(), MISFIT))
    seen.add(scopeName)
    if (EXISTENCE.includes(scopeName) && operator !== 'Exists') errors.push(invalid(`${at}.operator`, operator, EXISTS_ONLY))
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        errors.push(required(`${at}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        errors.push(invalid(`${at}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"))
    } else errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'))
  }
  const scopes = expressions.map(({ scopeName }) => scopeName)
  checkConflicts(at, scopes, spec.scopes ?? null, errors)
}
