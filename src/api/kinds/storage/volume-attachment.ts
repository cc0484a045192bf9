import { defineKind } from '#api/define-kind.ts'
import { forbidden, invalid, required, tooLong } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { dnsSubdomain } from '#api/names.ts'
import { checkMessages, checkRequired, type Errors, IMMUTABLE } from '#api/validation/checks.ts'
import { internalForm } from '#api/validation/internal-form.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { checkDriverName } from '#api/validation/volume-sources.ts'
import { validateVolumeSpec } from '#api/validation/volume-spec.ts'

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
  validate({ spec, status }, previous) {
    const errors: Errors = []
    const { attacher = '', nodeName = '', source } = spec ?? {}
    checkRequired('spec.attacher', attacher, errors)
    const { persistentVolumeName: name, inlineVolumeSpec: inline } = source ?? {}
    const message = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'
    if (inline === undefined && name === undefined) errors.push(required('spec.source', message))
    else if (inline !== undefined && name !== undefined) errors.push(forbidden('spec.source', message))
    else if (name === '') errors.push(required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName'))
    else if (inline) errors.push(...validateVolumeSpec(inline, 'spec.source.inlineVolumeSpec'))
    checkMessages('spec.nodeName', nodeName, dnsSubdomain(nodeName), errors)
    checkStatus(status, errors)
    if (!previous) {
      checkDriverName('spec.attacher', attacher, errors)
      if (name !== undefined) checkMessages('spec.source.persistentVolumeName', name, dnsSubdomain(name), errors)
    } else if (!sameJson(spec, previous.spec)) errors.push(invalid('spec', internalForm('VolumeAttachmentSpec', spec), IMMUTABLE))
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

const METADATA_LIMIT = 256 * 1024

function checkStatus(status: types.VolumeAttachmentStatus | undefined, errors: Errors): void {
  const { attachmentMetadata: metadata = {} } = status ?? {}
  const size = Object.entries(metadata).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  if (size > METADATA_LIMIT) errors.push(tooLong('status.attachmentMetadata', METADATA_LIMIT))
  for (const field of ['attachError', 'detachError'] as const) {
    const { message = '', errorCode = 0 } = status?.[field] ?? {}
    // Refused beyond a kibibyte, though upstream names the other limit.
    if (Buffer.byteLength(message) > 1024) errors.push(tooLong(`status.${field}.message`, METADATA_LIMIT))
    if (errorCode < 0) errors.push(invalid(`status.${field}.errorCode`, errorCode, 'must be between 0 and 2147483647, inclusive'))
  }
}
