// How a pod's sandboxes, containers, directories and logs are named: labels and annotations are the kubelet's, so that whatever runs
// already is recognised after a restart and by other tools.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Container as ContainerSpec, Pod, ResourceRequirements } from '#api/generated/types.ts'
import type { Container } from '#node/runtime.ts'

export const LABEL = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  container: 'io.kubernetes.container.name',
} as const

export const ANNOTATION = {
  hash: 'io.kubernetes.container.hash',
  restartCount: 'io.kubernetes.container.restartCount',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  gracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
  resources: 'node.sampan.dev/resources',
} as const

export interface PodIdentity {
  uid: string
  namespace: string
  name: string
}

export function identityOf(pod: Pod): PodIdentity {
  const { uid = '', namespace = '', name = '' } = pod.metadata ?? {}
  return { uid, namespace, name }
}

/** As the kubelet spells a pod in its messages. */
export function formatPod(pod: Pod): string {
  const { uid, namespace, name } = identityOf(pod)
  return `${name}_${namespace}(${uid})`
}

export function podLabels(pod: Pod): Record<string, string> {
  const { uid, namespace, name } = identityOf(pod)
  return { [LABEL.podName]: name, [LABEL.podNamespace]: namespace, [LABEL.podUid]: uid }
}

export function podLogDirectory(root: string, { namespace, name, uid }: PodIdentity): string {
  return join(root, `${namespace}_${name}_${uid}`)
}

/** Whose directory it is; names and namespaces have no underscores. */
export function identityOfLogDirectory(directory: string): PodIdentity | undefined {
  const [namespace, name, uid, ...more] = directory.split('_')
  return namespace && name && uid && more.length === 0 ? { namespace, name, uid } : undefined
}

export function containerLogPath(container: string, attempt: number): string {
  return `${container}/${attempt}.log`
}

/** The host's side of a container's termination message. */
export function terminationLogPath(podDirectory: string, container: string, attempt: number): string {
  return join(podDirectory, 'containers', container, String(attempt))
}

/** What, when changed, restarts a running container: its name and image. */
export function containerHash({ name, image }: Pick<ContainerSpec, 'name' | 'image'>): string {
  return createHash('sha256')
    .update(JSON.stringify([name, image ?? '']))
    .digest('hex')
    .slice(0, 8)
}

export function restartCountOf(container: Container): number {
  const count = Number(container.annotations[ANNOTATION.restartCount])
  return Number.isSafeInteger(count) && count >= 0 ? count : container.attempt
}

/** The resources a container was started with. */
export function startedWith({ annotations }: Pick<Container, 'annotations'>): ResourceRequirements | undefined {
  const text = annotations[ANNOTATION.resources]
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as ResourceRequirements
  } catch {
    return undefined
  }
}

export type ContainerType = 'init' | 'sidecar' | 'main' | 'ephemeral'

export interface TypedContainer {
  spec: ContainerSpec
  type: ContainerType
}

export function isSidecar(container: ContainerSpec): boolean {
  return container.restartPolicy === 'Always'
}

/** All containers of a pod in the order in which they come to life. */
export function containersOf(pod: Pod): TypedContainer[] {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {}
  return [
    ...initContainers.map((spec) => ({ spec, type: isSidecar(spec) ? ('sidecar' as const) : ('init' as const) })),
    ...containers.map((spec) => ({ spec, type: 'main' as const })),
    ...ephemeralContainers.map((spec) => ({ spec: spec as ContainerSpec, type: 'ephemeral' as const })),
  ]
}

/** The path of a container in events: `spec.containers{web}`. */
export function fieldPathOf({ spec, type }: TypedContainer): string {
  const list = { init: 'initContainers', sidecar: 'initContainers', main: 'containers', ephemeral: 'ephemeralContainers' }[type]
  return `spec.${list}{${spec.name}}`
}
