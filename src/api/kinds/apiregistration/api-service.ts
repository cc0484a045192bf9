import { conditionOf } from '#api/conditions.ts'
import { defineKind } from '#api/define-kind.ts'
import { type FieldError, invalid, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dns1035Label, dnsSubdomain, pathSegment, portNumber } from '#api/names.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { formatTime } from '#lib/clock.ts'

export type APIService = types.APIService

const STATES = ['True', 'False', 'Unknown']
const NO_SPEC: Partial<types.APIServiceSpec> = {}

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
        const available = conditionOf(status?.conditions, 'Available')
        if (!available) return 'Unknown'
        return available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`
      },
    },
  ),
})

function validateApiService(
  { spec, metadata, status }: APIService,
  _previous: unknown,
  { subresource }: { subresource?: string },
): FieldError[] {
  const errors: Errors = []
  if (subresource === 'status') {
    each(status?.conditions, 'status.conditions', ({ status: state }, at) => {
      if (!STATES.includes(state)) errors.push(notSupported(`${at}.status`, state ?? '', STATES))
    })
    return errors
  }
  const { group = '', version = '', groupPriorityMinimum: groups = 0, versionPriority: versions = 0, caBundle, ...rest } = spec ?? NO_SPEC
  const { service, insecureSkipTLSVerify } = rest
  const name = metadata?.name ?? ''
  const expected = `${version}.${group}`
  if (name !== expected && pathSegment(name).length === 0)
    errors.push(invalid('metadata.name', name, `must be \`spec.version+"."+spec.group\`: "${expected}"`))
  if (!group && version !== 'v1') errors.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'))
  if (group) checkMessages('spec.group', group, dnsSubdomain(group), errors)
  checkMessages('spec.version', version, dns1035Label(version), errors)
  if (groups <= 0 || groups > 20000) errors.push(invalid('spec.groupPriorityMinimum', groups, 'must be positive and less than 20000'))
  if (versions <= 0 || versions > 1000) errors.push(invalid('spec.versionPriority', versions, 'must be positive and less than 1000'))
  if (!service) {
    const bytes = Buffer.byteLength(caBundle ?? '', 'base64')
    if (bytes > 0) errors.push(invalid('spec.caBundle', `${bytes} bytes`, 'local APIServices may not have a caBundle'))
    if (insecureSkipTLSVerify)
      errors.push(invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'))
    return errors
  }
  if (!service.namespace) errors.push(required('spec.service.namespace'))
  if (!service.name) errors.push(required('spec.service.name'))
  const messages = portNumber(service.port ?? 0)
  if (messages.length > 0) errors.push(invalid('spec.service.port', service.port ?? 0, `port is not valid: ${messages.join(', ')}`))
  if (insecureSkipTLSVerify && caBundle) errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'))
  return errors
}
