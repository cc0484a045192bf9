// Rules and bindings as all four RBAC kinds hold them.
import { type FieldError, invalid, notSupported, required } from '#api/field-error.ts'
import type { PolicyRule, RbacSubject, RoleRef } from '#api/generated/types.ts'
import type { Column } from '#api/kind.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { dnsSubdomain, forNames, pathSegment } from '#api/names.ts'
import type { KubeObject } from '#api/object.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { sameJson } from '#api/validation/same-json.ts'

const GROUP = 'rbac.authorization.k8s.io'

export const rbacName = forNames(pathSegment)

export function validateRules(rules: PolicyRule[] | null | undefined, namespaced: boolean): FieldError[] {
  const errors: Errors = []
  each(rules, 'rules', ({ verbs, nonResourceURLs, apiGroups, resources, resourceNames }, at) => {
    if (!verbs?.length) errors.push(required(`${at}.verbs`, 'verbs must contain at least one value'))
    if (nonResourceURLs?.length) {
      if (namespaced) errors.push(invalid(`${at}.nonResourceURLs`, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'))
      if (apiGroups?.length || resources?.length || resourceNames?.length)
        errors.push(invalid(`${at}.nonResourceURLs`, nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs'))
      return
    }
    if (!apiGroups?.length) errors.push(required(`${at}.apiGroups`, 'resource rules must supply at least one api group'))
    if (!resources?.length) errors.push(required(`${at}.resources`, 'resource rules must supply at least one resource'))
  })
  return errors
}

interface RoleBindingLike extends KubeObject {
  roleRef?: RoleRef
  subjects?: RbacSubject[]
}

export function defaultBinding({ roleRef, subjects }: RoleBindingLike): void {
  if (roleRef) roleRef.apiGroup ||= GROUP
  for (const subject of subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= GROUP
    // An empty group is not written.
    else if (subject.apiGroup === '') delete subject.apiGroup
  }
}

export function validateBinding(next: RoleBindingLike, previous: RoleBindingLike | undefined, namespaced: boolean): FieldError[] {
  const errors: Errors = []
  const { apiGroup, kind, name } = next.roleRef ?? {}
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']
  if (apiGroup !== GROUP) errors.push(notSupported('roleRef.apiGroup', apiGroup ?? '', [GROUP]))
  if (!kinds.includes(kind ?? '')) errors.push(notSupported('roleRef.kind', kind ?? '', kinds))
  if (!name) errors.push(required('roleRef.name'))
  else checkMessages('roleRef.name', name, pathSegment(name), errors)
  each(next.subjects, 'subjects', (subject, at) => checkSubject(subject, at, { namespaced, errors }))
  if (previous && !sameJson(next.roleRef, previous.roleRef))
    errors.push(invalid('roleRef', internalForm('RoleRef', next.roleRef), 'cannot change roleRef'))
  return errors
}

function checkSubject(
  { kind, apiGroup = '', name, namespace }: RbacSubject,
  path: string,
  { namespaced, errors }: { namespaced: boolean; errors: Errors },
): void {
  if (!name) errors.push(required(`${path}.name`))
  if (kind === 'ServiceAccount') {
    if (name) checkMessages(`${path}.name`, name, dnsSubdomain(name), errors)
    if (apiGroup) errors.push(notSupported(`${path}.apiGroup`, apiGroup, ['']))
    // A namespaced binding lends its own namespace.
    if (!namespaced && !namespace) errors.push(required(`${path}.namespace`))
  } else if (kind === 'User' || kind === 'Group') {
    if (apiGroup !== GROUP) errors.push(notSupported(`${path}.apiGroup`, apiGroup, [GROUP]))
  } else errors.push(notSupported(`${path}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group']))
}

export function bindingColumns<T extends RoleBindingLike>(): Column<T>[] {
  const names = (object: T, kind: string) => (object.subjects ?? []).filter((subject) => subject.kind === kind)
  const columns = columnsOf<T>({
    name: 'Role',
    description: 'The role that is granted.',
    value: ({ roleRef }) => `${roleRef?.kind ?? ''}/${roleRef?.name ?? ''}`,
  })
  return [
    ...columns,
    {
      name: 'Users',
      priority: 1,
      description: 'Users it is granted to.',
      value: (object) =>
        names(object, 'User')
          .map(({ name }) => name)
          .join(', '),
    },
    {
      name: 'Groups',
      priority: 1,
      description: 'Groups it is granted to.',
      value: (object) =>
        names(object, 'Group')
          .map(({ name }) => name)
          .join(', '),
    },
    {
      name: 'ServiceAccounts',
      priority: 1,
      description: 'Service accounts it is granted to.',
      value: (object) =>
        names(object, 'ServiceAccount')
          .map(({ namespace, name }) => `${namespace ?? ''}/${name}`)
          .join(', '),
    },
  ]
}
