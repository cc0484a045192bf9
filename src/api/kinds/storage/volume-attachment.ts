import { defineKind } from '#api/define-kind.ts'
import { forbidden, required } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { dnsSubdomain } from '#api/names.ts'
import { checkImmutable, checkName, type Errors } from '#api/validation/checks.ts'

export type VolumeAttachment = types.VolumeAttachment

export const VolumeAttachment = defineKind<VolumeAttachment>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
  requireResourceVersionOnUpdate: true,
  validate({ spec }, previous, { subresource }) {
    const errors: Errors = []
    if (subresource === 'status') return errors
    checkName('spec.attacher', spec?.attacher, dnsSubdomain, errors)
    checkName('spec.nodeName', spec?.nodeName, dnsSubdomain, errors)
    const { persistentVolumeName: name, inlineVolumeSpec: inline } = spec?.source ?? {}
    const message = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'
    if (inline === undefined && name === undefined) errors.push(required('spec.source', message))
    else if (inline !== undefined && name !== undefined) errors.push(forbidden('spec.source', message))
    else if (name === '') errors.push(required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName'))
    if (previous) checkImmutable('spec', spec, previous.spec, errors)
    return errors
  },
  columns: [
    nameColumn,
    { name: 'Attacher', format: 'name', description: 'Driver that attaches it.', value: ({ spec }) => spec?.attacher ?? '' },
    { name: 'PV', description: 'The volume.', value: ({ spec }) => spec?.source?.persistentVolumeName ?? '' },
    { name: 'Node', description: 'The node it is attached to.', value: ({ spec }) => spec?.nodeName ?? '' },
    { name: 'Attached', type: 'boolean', description: 'Whether it is attached.', value: ({ status }) => status?.attached ?? false },
    ageColumn,
  ],
})
