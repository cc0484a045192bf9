import { defineKind } from '#api/define-kind.ts'
import { type FieldError, forbidden, invalid, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dns1035Label, dnsSubdomain, pathSegment } from '#api/names.ts'
import { checkMessages, checkRange, type Errors } from '#api/validation/checks.ts'
import { formatTime } from '#lib/clock.ts'

export type APIService = types.APIService

export const APIService = defineKind<APIService>({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  categories: ['api-extensions'],
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
  requireResourceVersionOnUpdate: true,
  validateName: pathSegment,
  default({ spec }) {
    if (spec?.service) spec.service.port ??= 443
  },
  prepareForCreate(service, { now }) {
    service.status = {}
    // What this server serves itself is always there.
    if (!service.spec?.service)
      service.status.conditions = [
        {
          type: 'Available',
          status: 'True',
          reason: 'Local',
          message: 'Local APIServices are always available',
          lastTransitionTime: formatTime(now),
        },
      ]
  },
  validate: validateApiService,
  columns: columnsOf<APIService>(
    {
      name: 'Service',
      description: 'Service that answers, or Local.',
      value: ({ spec }) => (spec?.service ? `${spec.service.namespace ?? ''}/${spec.service.name ?? ''}` : 'Local'),
    },
    {
      name: 'Available',
      description: 'Whether it answers.',
      value({ status }) {
        const available = status?.conditions?.find(({ type }) => type === 'Available')
        if (!available) return 'Unknown'
        return available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`
      },
    },
  ),
})

function validateApiService({ spec, metadata }: APIService, _previous: unknown, { subresource }: { subresource?: string }): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') return errors
  const {
    group = '',
    version = '',
    groupPriorityMinimum,
    versionPriority,
    service,
    insecureSkipTLSVerify,
    caBundle,
  } = spec ?? ({} as types.APIServiceSpec)
  const expected = `${version}.${group}`
  if (metadata?.name !== expected)
    errors.push(invalid('metadata.name', metadata?.name, `must be \`spec.version+"."+spec.group\`: "${expected}"`))
  if (group) checkMessages('spec.group', group, dnsSubdomain(group), errors)
  else if (version !== 'v1') errors.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'))
  if (!version) errors.push(required('spec.version'))
  else checkMessages('spec.version', version, dns1035Label(version), errors)
  checkRange('spec.groupPriorityMinimum', groupPriorityMinimum ?? 0, [1, 20000], errors)
  checkRange('spec.versionPriority', versionPriority ?? 0, [1, 1000], errors)
  if (!service) {
    if (caBundle) errors.push(forbidden('spec.caBundle', 'local APIServices may not have a caBundle'))
    if (insecureSkipTLSVerify) errors.push(forbidden('spec.insecureSkipTLSVerify', 'local APIServices may not have insecureSkipTLSVerify'))
    return errors
  }
  if (!service.namespace) errors.push(required('spec.service.namespace'))
  if (!service.name) errors.push(required('spec.service.name'))
  if (service.port !== undefined) checkRange('spec.service.port', service.port, [1, 65535], errors)
  if (insecureSkipTLSVerify && caBundle) errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'))
  return errors
}
