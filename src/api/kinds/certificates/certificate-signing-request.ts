import { conditionOf, isConditionTrue } from '#api/conditions.ts'
import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { humanDuration } from '#api/human-duration.ts'
import { ageColumn, nameColumn } from '#api/kinds/columns.ts'
import { validateSigningRequest } from './csr-validation.ts'
import { formatTime } from '#lib/clock.ts'

export type CertificateSigningRequest = types.CertificateSigningRequest

export const CertificateSigningRequest = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  shortNames: ['csr'],
  scope: 'Cluster',
  subresources: {
    approval: { verbs: ['get', 'patch', 'update'] },
    status: { verbs: ['get', 'patch', 'update'] },
  },
  fields: { 'spec.signerName': ({ spec }) => spec?.signerName ?? '' },
  prepareForCreate(request, { user }) {
    const { spec } = request
    if (spec) {
      // Who asks is what the server saw, whatever the request says.
      for (const field of ['username', 'uid', 'groups', 'extra'] as const) delete spec[field]
      spec.username = user.username
      if (user.uid) spec.uid = user.uid
      if (user.groups.length > 0) spec.groups = [...user.groups]
      if (user.extra && Object.keys(user.extra).length > 0) spec.extra = structuredClone(user.extra)
    }
    request.status = {}
  },
  prepareForUpdate(next, previous, { subresource, now }) {
    next.spec = previous.spec
    const [status, old] = [next.status ?? {}, previous.status ?? {}]
    if (subresource === 'approval') {
      const { conditions: _, ...rest } = old
      next.status = status.conditions ? { ...rest, conditions: status.conditions } : rest
    } else if (subresource === 'status') {
      // A decision stands as it was made. That one is added or taken away here is for validation to refuse.
      const before = (type: string) => (type === 'Approved' || type === 'Denied' ? conditionOf(old.conditions, type) : undefined)
      const conditions = status.conditions?.map((condition) => before(condition.type) ?? condition)
      next.status = { ...status, ...(conditions ? { conditions } : {}) }
    } else return
    for (const condition of next.status.conditions ?? []) {
      condition.lastUpdateTime ??= formatTime(now)
      const before = conditionOf(old.conditions, condition.type)
      condition.lastTransitionTime ??=
        before?.status === condition.status && before.lastTransitionTime ? before.lastTransitionTime : formatTime(now)
    }
  },
  validate: validateSigningRequest,
  columns: [
    nameColumn,
    ageColumn,
    { name: 'SignerName', description: 'Who is asked to sign.', value: ({ spec }) => spec?.signerName || '<none>' },
    { name: 'Requestor', description: 'Who asks.', value: ({ spec }) => spec?.username ?? '' },
    {
      name: 'RequestedDuration',
      description: 'How long the certificate should be good for.',
      value: ({ spec }) => (spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000)),
    },
    {
      name: 'Condition',
      description: 'Pending, approved or denied, and issued or failed.',
      value({ status }) {
        const is = (type: string) =>
          isConditionTrue(status?.conditions, type) || status?.conditions?.some((condition) => condition.type === type && !condition.status)
        return `${is('Denied') ? 'Denied' : is('Approved') ? 'Approved' : 'Pending'}${is('Failed') ? ',Failed' : ''}${status?.certificate ? ',Issued' : ''}`
      },
    },
  ],
})
