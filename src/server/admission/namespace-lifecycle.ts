// Objects live in namespaces that exist, and none are born in one that is ending.
import { Namespace } from '#api/kinds/core/namespace.ts'
import { notFoundError, StatusError } from '#api/status.ts'
import type { AdmissionPlugin, ServerContext } from '#server/request.ts'
import { denied, target } from './refusal.ts'

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public'])
/** Asked about, not created. */
const QUESTIONS = new Set(['localsubjectaccessreviews.authorization.k8s.io'])
const GRACE_MS = 50
const GRACE_ATTEMPTS = 3

export function namespaceLifecycle({ reader, clock }: ServerContext): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    async admit(request) {
      const { attributes, operation } = request
      const what = target(request)
      if (operation === 'DELETE' && what === 'namespaces' && IMMORTAL.has(attributes.name))
        throw denied(request, 'this namespace may not be deleted')
      const name = attributes.namespace
      if (operation === 'DELETE' || !name || attributes.resource === 'namespaces' || QUESTIONS.has(what)) return
      let namespace = reader.get(Namespace, { name })
      // Created a moment ago by someone quicker than the watch.
      for (let i = 0; !namespace && i < GRACE_ATTEMPTS; i++) {
        await clock.sleep(GRACE_MS)
        namespace = reader.get(Namespace, { name })
      }
      if (!namespace) throw notFoundError(Namespace, name)
      if (operation !== 'CREATE' || (!namespace.metadata?.deletionTimestamp && namespace.status?.phase !== 'Terminating')) return
      const refusal = denied(request, `unable to create new content in namespace ${name} because it is being terminated`)
      const cause = { reason: 'NamespaceTerminating', message: `namespace ${name} is being terminated`, field: 'metadata.namespace' }
      throw new StatusError('Forbidden', refusal.message, { details: { ...refusal.details, causes: [cause] } })
    },
  }
}
