// root-ca-certificate-publisher-controller: the ConfigMap kube-root-ca.crt in every active namespace, restored when changed or deleted.
import { ConfigMap } from '#api/kinds/core/config-map.ts'
import { Namespace } from '#api/kinds/core/namespace.ts'
import { hasReason, StatusError } from '#api/status.ts'
import type { Controller, ControllerContext } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { isNamespaceTerminating } from './pod-control.ts'

export const ROOT_CA_CONFIG_MAP = 'kube-root-ca.crt'
const DESCRIPTION = 'kubernetes.io/description'
const DESCRIPTION_TEXT =
  "Certificate authority of the API server's addresses inside the cluster (kubernetes.default.svc); not meant for anything else."

export function rootCaCertificatePublisher(rootCa: string): Controller {
  return {
    name: 'root-ca-certificate-publisher-controller',
    account: 'root-ca-cert-publisher',
    triggers: [
      itself(Namespace),
      mapped(ConfigMap, ({ metadata }) => (metadata?.name === ROOT_CA_CONFIG_MAP ? [{ name: metadata.namespace ?? '' }] : [])),
    ],
    async reconcile({ name: namespace }, { client, informers, clock, metrics }) {
      const begun = clock.monotonic()
      try {
        await publish(namespace, { client, informers })
        count('200')
      } catch (error) {
        count(error instanceof StatusError ? String(error.code) : '500')
        throw error
      }
      function count(code: string): void {
        metrics.add('root_ca_cert_publisher_sync_total', [code])
        metrics.observe('root_ca_cert_publisher_sync_duration_seconds', [code], (clock.monotonic() - begun) / 1000)
      }
    },
  }

  async function publish(namespace: string, { client, informers }: Pick<ControllerContext, 'client' | 'informers'>): Promise<void> {
    const owner = informers.of(Namespace).get({ name: namespace })
    if (!owner || owner.status?.phase === 'Terminating' || owner.metadata?.deletionTimestamp) return
    const current = informers.of(ConfigMap).get({ namespace, name: ROOT_CA_CONFIG_MAP })
    const data = { 'ca.crt': rootCa }
    if (!current) {
      const metadata = { namespace, name: ROOT_CA_CONFIG_MAP, annotations: { [DESCRIPTION]: DESCRIPTION_TEXT } }
      try {
        await client.create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data })
      } catch (error) {
        if (!hasReason(error, 'AlreadyExists') && !hasReason(error, 'NotFound') && !isNamespaceTerminating(error)) throw error
      }
      return
    }
    const described = current.metadata?.annotations?.[DESCRIPTION]
    const keys = Object.keys(current.data ?? {})
    if (keys.length === 1 && current.data?.['ca.crt'] === rootCa && described) return
    const annotations = { ...current.metadata?.annotations, [DESCRIPTION]: DESCRIPTION_TEXT }
    await client.update(ConfigMap, { ...current, metadata: { ...current.metadata, annotations }, data })
  }
}
