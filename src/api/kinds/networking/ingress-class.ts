import { defineKind } from '#api/define-kind.ts'
import { forbidden, notSupported, required, tooLong } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn } from '#api/kinds/columns.ts'
import { dnsLabel } from '#api/names.ts'
import { checkDomainPrefixedPath, checkImmutable, checkMessages, type Errors } from '#api/validation/checks.ts'
import { DEFAULT_INGRESS_CLASS_ANNOTATION } from '#api/well-known.ts'
import { checkReference } from './ingress.ts'

export type IngressClass = types.IngressClass

export const IngressClass = defineKind<IngressClass>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  scope: 'Cluster',
  generationOf: ({ spec }) => spec,
  default({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= 'Cluster'
  },
  validate({ spec }, previous) {
    const errors: Errors = []
    const controller = spec?.controller ?? ''
    if (previous) checkImmutable('spec.controller', controller, previous.spec?.controller ?? '', errors)
    if (Buffer.byteLength(controller) > 250) errors.push(tooLong('spec.controller', 250))
    checkDomainPrefixedPath('spec.controller', controller, errors)
    checkParameters(spec?.parameters, 'spec.parameters', errors)
    return errors
  },
  columns: [
    {
      name: 'Name',
      format: 'name',
      description: 'Name of the class, and whether ingresses without a class get it.',
      value: ({ metadata }) =>
        `${metadata?.name ?? ''}${metadata?.annotations?.[DEFAULT_INGRESS_CLASS_ANNOTATION] === 'true' ? ' (default)' : ''}`,
    },
    { name: 'Controller', description: 'The controller that serves its ingresses.', value: ({ spec }) => spec?.controller ?? '' },
    {
      name: 'Parameters',
      description: 'Object with further configuration.',
      value({ spec }) {
        if (!spec?.parameters) return '<none>'
        const { kind, apiGroup, name } = spec.parameters
        return `${kind}${apiGroup ? `.${apiGroup}` : ''}/${name}`
      },
    },
    ageColumn,
  ],
})

function checkParameters(parameters: types.IngressClassParametersReference | undefined, path: string, errors: Errors): void {
  if (!parameters) return
  checkReference(parameters, path, errors)
  const { namespace, scope } = parameters
  const at = `${path}.namespace`
  if (scope === undefined) errors.push(required(`${path}.scope`))
  else if (scope === 'Namespace') {
    if (namespace === undefined) errors.push(required(at, "`parameters.scope` is set to 'Namespace'"))
    else checkMessages(at, namespace, dnsLabel(namespace), errors)
  } else if (scope !== 'Cluster') errors.push(notSupported(`${path}.scope`, scope, ['Cluster', 'Namespace']))
  else if (namespace !== undefined) errors.push(forbidden(at, "`parameters.scope` is set to 'Cluster'"))
}
