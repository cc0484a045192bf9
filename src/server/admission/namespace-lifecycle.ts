// Objects live in namespaces that exist, and none are born in one that is ending.
import { Namespace } from '#api/kinds/core/namespace.ts'
import { notFoundError, StatusError } from '#api/status.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { onceThere } from './once-there.ts'
import { denied, target } from './refusal.ts'

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public'])
/** Asked about, not created. */
const QUESTIONS = new Set(['localsubjectaccessreviews.authorization.k8s.io'])

export function namespaceLifecycle({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    admit(request) {
      const { attributes, operation } = request
      const what = target(request)
      if (operation === 'DELETE' && what === 'namespaces' && IMMORTAL.has(attributes.name))
        throw denied(request, 'this namespace may not be deleted')
      const name = attributes.namespace
      if (operation === 'DELETE' || operation === 'CONNECT' || !name || attributes.resource === 'namespaces' || QUESTIONS.has(what)) return
      const look = () => reader.get(Namespace, { name })
      return onceThere(
        reader,
        () => look() !== undefined,
        () => assertThere(look(), request),
      )
    },
  }
}

function assertThere(namespace: Namespace | undefined, request: AdmissionRequest): void {
  const name = request.attributes.namespace
  if (!namespace) throw notFoundError(Namespace, name)
  if (request.operation !== 'CREATE' || (!namespace.metadata?.deletionTimestamp && namespace.status?.phase !== 'Terminating')) return
  const refusal = denied(request, `unable to create new content in namespace ${name} because it is being terminated`)
  const cause = { reason: 'NamespaceTerminating', message: `namespace ${name} is being terminated`, field: 'metadata.namespace' }
  throw new StatusError('Forbidden', refusal.message, { details: { ...refusal.details, causes: [cause] } })
}
