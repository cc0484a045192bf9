// Which container of a pod a request for logs or a stream means, and on which node it is.
import { Pod } from '#api/kinds/core/pod.ts'
import type { ObjectKey } from '#api/object.ts'
import { notFoundError, StatusError } from '#api/status.ts'
import type { ObjectReader } from '#server/request.ts'

export function podOf(reader: ObjectReader, key: ObjectKey): Pod {
  const pod = reader.get(Pod, key)
  if (!pod) throw notFoundError(Pod, key.name)
  return pod
}

/** The named container, or the only one. */
export function containerOf(pod: Pod, container: string): string {
  const name = pod.metadata?.name ?? ''
  const names = (containers: { name: string }[] | undefined) => (containers ?? []).map((one) => one.name)
  const main = names(pod.spec?.containers)
  const init = names(pod.spec?.initContainers)
  const ephemeral = names(pod.spec?.ephemeralContainers)
  if (container) {
    if ([...main, ...init, ...ephemeral].includes(container)) return container
    throw new StatusError('BadRequest', `container ${container} is not valid for pod ${name}`)
  }
  if (main.length === 1) return main[0]!
  if (main.length === 0) throw new StatusError('BadRequest', `a container name must be specified for pod ${name}`)
  const others = [
    init.length > 0 ? ` or one of the init containers: [${init.join(' ')}]` : '',
    ephemeral.length > 0 ? ` or one of the ephemeral containers: [${ephemeral.join(' ')}]` : '',
  ]
  throw new StatusError(
    'BadRequest',
    `a container name must be specified for pod ${name}, choose one of: [${main.join(' ')}]${others.join('')}`,
  )
}

export function nodeNameOf(pod: Pod): string {
  if (!pod.spec?.nodeName) throw new StatusError('BadRequest', `pod ${pod.metadata?.name} does not have a host assigned`)
  return pod.spec.nodeName
}
