import { defineKind } from '#api/define-kind.ts'
import { required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { nameColumn } from '#api/kinds/columns.ts'
import { dnsSubdomain, pathSegment } from '#api/names.ts'
import { checkImmutable, checkMessages, checkName, type Errors } from '#api/validation/checks.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { canonicalIPMessages } from '#api/validation/ip.ts'

export type IPAddress = types.IPAddress

export const IPAddress = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  shortNames: ['ip'],
  scope: 'Cluster',
  validateName: (name) => canonicalIPMessages(name),
  validate({ spec }, previous) {
    const errors: Errors = []
    const { parentRef } = spec ?? {}
    if (!parentRef) errors.push(required('spec.parentRef'))
    else {
      const { group, resource, name, namespace } = parentRef
      if (group) checkMessages('spec.parentRef.group', group, dnsSubdomain(group), errors)
      checkName('spec.parentRef.resource', resource, pathSegment, errors)
      checkName('spec.parentRef.name', name, pathSegment, errors)
      if (namespace) checkMessages('spec.parentRef.namespace', namespace, pathSegment(namespace), errors)
    }
    const form = (ref: types.ParentReference | undefined) => (ref ? internalForm('ParentReference', ref) : null)
    if (previous) checkImmutable('spec.parentRef', form(parentRef), form(previous.spec?.parentRef), errors)
    return errors
  },
  columns: [
    nameColumn,
    {
      name: 'ParentRef',
      description: 'The object that has the address.',
      value({ spec }) {
        if (!spec?.parentRef) return '<none>'
        const { group, resource, namespace, name } = spec.parentRef
        return `${`${resource}${group ? `.${group}` : ''}`.toLowerCase()}${namespace ? `/${namespace}` : ''}/${name}`
      },
    },
  ],
})
