// What may be used only where a quota covers it: ResourceQuotaConfiguration, as kube-apiserver's admission plugin ResourceQuota takes it.
import type { ResourceQuota, ScopedResourceSelectorRequirement } from '#api/generated/types.ts'
import { type FieldError, required } from '#api/field-error.ts'
import { assertShape, ConfigurationError, refuseAll, type Shape } from '#api/configuration-file.ts'
import { isObject } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import type { AdmissionRequest } from '#server/request.ts'
import type { Amounts } from './pod-usage.ts'
import { matchesScope, scopesOf } from './quota-usage.ts'
import { denied } from './refusal.ts'

export interface LimitedResource {
  apiGroup?: string
  resource: string
  /** Parts of the names under which quotas count it. */
  matchContains?: string[]
  matchScopes?: ScopedResourceSelectorRequirement[]
}

const LIMITED: Shape = {
  apiVersion: 'text',
  kind: 'text',
  limitedResources: [
    {
      apiGroup: 'text',
      resource: 'text',
      matchContains: ['text'],
      matchScopes: [{ scopeName: 'text', operator: 'text', values: ['text'] }],
    },
  ],
}

const KINDS: Record<string, string> = {
  'apiserver.config.k8s.io/v1': 'ResourceQuotaConfiguration',
  'resourcequota.admission.k8s.io/v1beta1': 'Configuration',
  'resourcequota.admission.k8s.io/v1alpha1': 'Configuration',
}

/** Throws ConfigurationError. */
export function limitedResources(value: unknown): LimitedResource[] {
  if (!isObject(value)) throw new ConfigurationError('plugins: the configuration of ResourceQuota is no object')
  const { apiVersion, kind, limitedResources: limited = [] } = value as Record<string, any>
  if (!Object.hasOwn(KINDS, String(apiVersion)) || KINDS[String(apiVersion)] !== kind)
    throw new ConfigurationError('plugins: ResourceQuota takes a ResourceQuotaConfiguration of apiserver.config.k8s.io/v1')
  assertShape(value, LIMITED)
  const errors: FieldError[] = []
  for (const [i, { resource }] of (limited as LimitedResource[]).entries())
    if (!resource) errors.push(required(`limitedResources[${i}].resource`))
  refuseAll(errors)
  return limited as LimitedResource[]
}

/** Refuses what is limited and has no quota: by its names, or by its scopes. `covering`: quotas that take in the object; `all`: those of its namespace. */
export function refuseUncovered(
  request: AdmissionRequest,
  limited: readonly LimitedResource[],
  { usage, covering, all }: { usage: Amounts; covering: readonly ResourceQuota[]; all: readonly ResourceQuota[] },
): void {
  const { kind, object } = request
  const parts = limited.filter((one) => (one.apiGroup ?? '') === kind.group && one.resource === kind.plural)
  const names = [...usage]
    .filter(
      ([name, amount]) => amount.sign > 0 && parts.some(({ matchContains = [] }) => matchContains.some((part) => name.includes(part))),
    )
    .map(([name]) => name)
  const bare = names.filter((name) => !covering.some(({ spec }) => Object.hasOwn(spec?.hard ?? {}, name))).sort()
  if (bare.length > 0) throw denied(request, `insufficient quota to consume: ${bare.join(',')}`)
  const inScope = (requirements: readonly ScopedResourceSelectorRequirement[]) => matching(requirements, kind, object!)
  const covered = new Set(all.flatMap(({ spec }) => inScope(scopesOf(spec ?? {}))).map(({ scopeName }) => scopeName))
  const open = limited.flatMap(({ matchScopes = [] }) => inScope(matchScopes)).filter(({ scopeName }) => !covered.has(scopeName))
  if (open.length === 0) return
  const told = open.map(({ scopeName, operator, values = [] }) => `{${scopeName} ${operator} [${values.join(' ')}]}`)
  // Upstream calls this no refusal, but an error without a reason.
  throw new StatusError('', `insufficient quota to match these scopes: [${told.join(' ')}]`)
}

const matching = (requirements: readonly ScopedResourceSelectorRequirement[], kind: Kind<any>, object: KubeObject) =>
  requirements.filter((one) => matchesScope(one, kind, object))
