// Objects live in namespaces that exist, and none are born in one that is ending.
import { Namespace } from '#api/kinds/core/namespace.ts'
import { notFoundError, StatusError } from '#api/status.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { onceThere } from './once-there.ts'
import { denied, target } from './refusal.ts'

const IMMORTAL = new Set(['default', 'kube-system', 'kube-public'])
/** Asked about, not created. */
const QUESTION = { plural: 'localsubjectaccessreviews', group: 'authorization.k8s.io' }

export function namespaceLifecycle({ reader }: ServerContext): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    admit(request) {
      const { attributes, operation } = request
      if (operation === 'DELETE' && IMMORTAL.has(attributes.name) && target(request) === 'namespaces')
        throw denied(request, 'this namespace may not be deleted')
      const { namespace: name, resource } = attributes
      if (operation === 'DELETE' || operation === 'CONNECT' || !name || resource === 'namespaces') return
      if (resource === QUESTION.plural && attributes.group === QUESTION.group) return
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
