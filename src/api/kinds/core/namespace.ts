import { defineKind } from '#api/define-kind.ts'
import { invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { isStandardFinalizer, NOT_STANDARD } from '#api/meta/object-meta.ts'
import { dnsLabel, forNames, qualifiedName } from '#api/names.ts'
import { checkMessages, each, type Errors } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'

export type Namespace = types.Namespace

export const Namespace = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  scope: 'Cluster',
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: {
    finalize: { verbs: ['update'] },
    status: { verbs: ['get', 'patch', 'update'] },
  },
  fields: { 'status.phase': ({ status }) => status?.phase ?? '' },
  validateName: forNames(dnsLabel),
  default(namespace) {
    const name = namespace.metadata?.name
    if (name) namespace.metadata = { ...namespace.metadata, labels: { ...namespace.metadata?.labels, 'kubernetes.io/metadata.name': name } }
    namespace.status ??= {}
    namespace.status.phase ??= 'Active'
  },
  prepareForCreate(namespace) {
    namespace.status = { phase: 'Active' }
    const finalizers = namespace.spec?.finalizers ?? []
    namespace.spec = { ...namespace.spec, finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] }
  },
  prepareForUpdate(next, previous, { subresource }) {
    if (subresource === 'finalize') {
      if (previous.status) next.status = previous.status
      return
    }
    // Only /finalize takes finalizers of the spec away.
    if (sameJson(next.spec, previous.spec)) return
    if (previous.spec) next.spec = previous.spec
    else delete next.spec
  },
  validate({ spec, status, metadata }, previous, { subresource }) {
    const errors: Errors = []
    if (subresource === 'status') {
      const expected = metadata?.deletionTimestamp ? 'Terminating' : 'Active'
      if (status?.phase !== expected)
        errors.push(
          invalid(
            'status.Phase',
            status?.phase ?? '',
            expected === 'Active'
              ? "may only be 'Active' if `deletionTimestamp` is empty"
              : "may only be 'Terminating' if `deletionTimestamp` is not empty",
          ),
        )
      return errors
    }
    if (previous && subresource !== 'finalize') return errors
    each(spec?.finalizers, 'spec.finalizers', (finalizer, indexed) => {
      // Upstream tells which one only of those that /finalize writes.
      const at = previous ? indexed : 'spec.finalizers'
      checkMessages(at, finalizer, qualifiedName(finalizer), errors)
      if (!isStandardFinalizer(finalizer)) errors.push(invalid(at, finalizer, NOT_STANDARD))
    })
    return errors
  },
  columns: columnsOf<Namespace>({
    name: 'Status',
    description: 'Active, or Terminating while its content goes.',
    value: ({ status }) => status?.phase ?? '',
  }),
})
