import { defineKind } from '#api/define-kind.ts'
import { required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { parseApiVersion } from '#api/object.ts'
import { checkImmutable, checkNonNegative, type Errors } from '#api/validation/checks.ts'

export type ControllerRevision = types.ControllerRevision

export const ControllerRevision = defineKind<ControllerRevision>({
  group: 'apps',
  version: 'v1',
  kind: 'ControllerRevision',
  plural: 'controllerrevisions',
  scope: 'Namespaced',
  validate({ data, revision }, previous) {
    const errors: Errors = []
    checkNonNegative('revision', revision, errors)
    if (previous) checkImmutable('data', data, previous.data, errors)
    else if (data === undefined || data === null) errors.push(required('data', 'data is mandatory'))
    else if (typeof data !== 'object' || Array.isArray(data)) errors.push(required('data', 'data must be a valid JSON object'))
    return errors
  },
  columns: columnsOf<ControllerRevision>(
    {
      name: 'Controller',
      description: 'What the revision belongs to.',
      value({ metadata }) {
        const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
        if (!owner) return '<none>'
        const { group } = parseApiVersion(owner.apiVersion)
        return `${owner.kind.toLowerCase()}${group ? `.${group}` : ''}/${owner.name}`
      },
    },
    { name: 'Revision', description: 'Number of the revision.', value: ({ revision }) => revision ?? 0 },
  ),
})
