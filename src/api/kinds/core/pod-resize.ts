// What /resize may change: cpu and memory of containers and of the pod as a whole, nothing else, and never the class of service.
import { type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import { each, type Errors } from '#api/validation/checks.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { MIRROR_ANNOTATION } from '#api/well-known.ts'
import { qosClassOf } from './pod-qos.ts'

type Requirements = types.ResourceRequirements | undefined

/** `errors`: of the spec as it would be. What makes a resize impossible replaces them. */
export function validatePodResize(next: types.Pod, previous: types.Pod, errors: FieldError[]): FieldError[] {
  const [spec, old] = [next.spec!, previous.spec!]
  if (previous.metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined) return [forbidden('[]', 'static pods cannot be resized')]
  if (old.os?.name === 'windows') return [forbidden('[]', 'windows pods cannot be resized')]
  const before = previous.status?.qosClass ?? qosClassOf(old)
  if (qosClassOf(spec) !== before)
    errors.push(invalid('spec', next.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing'))
  // A node that can resize tells the resources of what runs.
  const running = previous.status?.containerStatuses?.find(({ state }) => state?.running)
  if (running && !running.resources) errors.push(forbidden('spec', 'Pod running on node without support for resize'))
  checkPodLevel(spec.resources, old.resources, errors)
  if (!checkOrder(spec, old, errors)) return errors
  for (const list of ['initContainers', 'containers'] as const)
    each(old[list], `spec.${list}`, ({ resources }, at, index) =>
      checkRemoved(spec[list]![index]!.resources, resources, `${at}.resources`, errors),
    )
  each(spec.containers, 'spec.containers', (container, _at, index) => {
    if (!onlyComputes(container.resources, old.containers[index]!.resources))
      errors.push(forbidden('spec', 'only cpu and memory resources are mutable'))
  })
  each(spec.initContainers, 'spec.initContainers', (container, at, index) => {
    const was = old.initContainers![index]!
    if (!onlyComputes(container.resources, was.resources))
      errors.push(forbidden(at, 'only cpu and memory resources for init or sidecar containers are mutable'))
    if (container.restartPolicy === 'Always' || sameJson(container, was)) return
    for (const { restartPolicy } of container.resizePolicy ?? [])
      if (restartPolicy === 'RestartContainer')
        errors.push(forbidden(at, 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized'))
  })
  return errors
}

function checkPodLevel(next: Requirements, old: Requirements, errors: Errors): void {
  const isSet = (one: Requirements) => Object.keys({ ...one?.requests, ...one?.limits }).length > 0
  if (!isSet(next) && !isSet(old)) return
  if (old && !next) return void errors.push(forbidden('spec.resources', 'pod-level resources cannot be removed'))
  checkRemoved(next, old, 'spec.resources', errors, 'pod-level resource')
  if (!onlyComputes(next, old)) errors.push(forbidden('spec', 'only cpu and memory resources are mutable at pod-level'))
}

/** Containers keep their places. */
function checkOrder(spec: types.PodSpec, old: types.PodSpec, errors: Errors): boolean {
  const before = errors.length
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list]?.length ?? 0) !== (old[list]?.length ?? 0))
      errors.push(forbidden(`spec.${list}`, `${list} may not be added or removed on resize`))
    else
      each(old[list], `spec.${list}`, ({ name }, at, index) => {
        if (spec[list]![index]!.name !== name) errors.push(forbidden(`${at}.name`, `${list} may not be renamed or reordered on resize`))
      })
  }
  return errors.length === before
}

function checkRemoved(next: Requirements, old: Requirements, path: string, errors: Errors, what = 'resource'): void {
  for (const amounts of ['requests', 'limits'] as const) {
    const kept = Object.keys(next?.[amounts] ?? {})
    if (Object.keys(old?.[amounts] ?? {}).some((name) => !kept.includes(name)))
      errors.push(forbidden(`${path}.${amounts}`, `${what} ${amounts} cannot be removed`))
  }
}

/** Whether nothing but cpu and memory differs. */
function onlyComputes(next: Requirements, old: Requirements): boolean {
  const rest = (list: Record<string, string> | undefined) =>
    Object.fromEntries(Object.entries(list ?? {}).filter(([name]) => name !== 'cpu' && name !== 'memory'))
  return (
    sameJson(rest(next?.requests), rest(old?.requests)) &&
    sameJson(rest(next?.limits), rest(old?.limits)) &&
    sameJson(next?.claims, old?.claims)
  )
}
