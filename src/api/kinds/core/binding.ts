import { defineKind } from '#api/define-kind.ts'
import { type FieldError, notSupported, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'

export type Binding = types.Binding

export const Binding = defineKind<Binding>({
  group: '',
  version: 'v1',
  kind: 'Binding',
  plural: 'bindings',
  scope: 'Namespaced',
  verbs: ['create'],
  virtual: true,
  validate({ target }) {
    const errors: FieldError[] = []
    if (target?.kind && target.kind !== 'Node') errors.push(notSupported('target.kind', target.kind, ['Node', '<empty>']))
    if (!target?.name) errors.push(required('target.name'))
    return errors
  },
})
