import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { columnsOf } from '#api/kinds/columns.ts'
import { MOUNTABLE_SECRETS_ANNOTATION } from '#api/well-known.ts'

export type ServiceAccount = types.ServiceAccount

export const ServiceAccount = defineKind<ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  scope: 'Namespaced',
  subresources: {
    token: { verbs: ['create'], kind: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' } },
  },
  prepareForCreate: namesOnly,
  prepareForUpdate: namesOnly,
  warnings(next, previous) {
    const has = (account: ServiceAccount | undefined) => Object.hasOwn(account?.metadata?.annotations ?? {}, MOUNTABLE_SECRETS_ANNOTATION)
    if (!has(next) || has(previous)) return []
    return [
      `metadata.annotations[${MOUNTABLE_SECRETS_ANNOTATION}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`,
    ]
  },
  columns: columnsOf<ServiceAccount>(),
})

/** References to secrets keep nothing but the name. */
function namesOnly(account: ServiceAccount): void {
  if (account.secrets) account.secrets = account.secrets.map(({ name }) => (name ? { name } : {}))
}
