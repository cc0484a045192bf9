// serviceaccount-controller: a ServiceAccount named default in every active namespace.
import { Namespace } from '#api/kinds/core/namespace.ts'
import { ServiceAccount } from '#api/kinds/core/service-account.ts'
import { hasReason } from '#api/status.ts'
import type { Controller } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { isNamespaceTerminating } from './pod-control.ts'

export const serviceAccountController: Controller = {
  name: 'serviceaccount-controller',
  account: 'service-account-controller',
  triggers: [
    itself(Namespace),
    mapped(ServiceAccount, ({ metadata }) => (metadata?.name === 'default' ? [{ name: metadata.namespace ?? '' }] : [])),
  ],
  async reconcile({ name }, { client, informers }) {
    const namespace = informers.of(Namespace).get({ name })
    if (!namespace || namespace.status?.phase === 'Terminating' || namespace.metadata?.deletionTimestamp) return
    if (informers.of(ServiceAccount).get({ namespace: name, name: 'default' })) return
    try {
      await client.create(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: name, name: 'default' } })
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error
    }
  },
}
