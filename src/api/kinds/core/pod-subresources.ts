// What /ephemeralcontainers and /resize take of the pod they are sent: their own part, the rest stays as it was.
import type * as types from '#api/generated/types.ts'

export function ephemeralContainersOnly(next: types.Pod, previous: types.Pod): void {
  const added = next.spec?.ephemeralContainers
  keep(next, previous)
  if (added) next.spec!.ephemeralContainers = added
}

export function resizeOnly(next: types.Pod, previous: types.Pod): void {
  const sent = next.spec
  keep(next, previous)
  const spec = next.spec!
  if (sent?.resources) spec.resources = sent.resources
  for (const list of ['containers', 'initContainers'] as const) {
    for (const container of spec[list] ?? []) {
      const wanted = sent?.[list]?.find(({ name }) => name === container.name)
      if (!wanted) continue
      if (wanted.resources) container.resources = wanted.resources
      else delete container.resources
      if (wanted.resizePolicy) container.resizePolicy = wanted.resizePolicy
    }
  }
}

function keep(next: types.Pod, previous: types.Pod): void {
  const { managedFields, resourceVersion } = next.metadata ?? {}
  Object.assign(next, structuredClone(previous))
  if (managedFields) next.metadata!.managedFields = managedFields
  if (resourceVersion) next.metadata!.resourceVersion = resourceVersion
}
