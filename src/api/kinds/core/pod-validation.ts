// Rules of pods: on create, and what little of a pod may change afterwards, through which door.
import { type FieldError, forbidden, invalid, notFound } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { checkImmutable, checkNonNegative, each, type Errors } from '#api/validation/checks.ts'
import { validatePodSpec } from '#api/validation/pod-spec.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { qosClassOf } from './pod-qos.ts'

type Pod = types.Pod
type PodSpec = types.PodSpec

const MIRROR = 'kubernetes.io/config.mirror'
const UPDATABLE =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

export function validatePod(next: Pod, previous: Pod | undefined, { subresource }: HookContext): FieldError[] {
  // Binding sets what no update may: the node. Its handler has checked that it may be set.
  if (subresource === 'binding') return []
  if (subresource === 'status') return previous ? validateStatus(next, previous) : []
  const errors = validatePodSpec(next.spec!, 'spec')
  if (!previous) {
    if (next.spec!.ephemeralContainers?.length) errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'))
    if (next.spec!.schedulingGates?.length && next.spec!.nodeName)
      errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'))
    return errors
  }
  if (subresource === 'ephemeralcontainers') checkEphemeralContainers(next, previous, errors)
  else if (subresource === 'resize') checkResize(next, previous, errors)
  else checkUpdate(next, previous, errors)
  return errors
}

function checkUpdate(next: Pod, previous: Pod, errors: Errors): void {
  checkImmutable(`metadata.annotations[${MIRROR}]`, next.metadata?.annotations?.[MIRROR], previous.metadata?.annotations?.[MIRROR], errors)
  const [spec, old] = [next.spec!, previous.spec!]
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list]?.length ?? 0) !== (old[list]?.length ?? 0))
      return void errors.push(forbidden(`spec.${list}`, 'pod updates may not add or remove containers'))
  }
  checkDeadline(spec.activeDeadlineSeconds, old.activeDeadlineSeconds, errors)
  const removedOnly = (spec.schedulingGates ?? []).every(({ name }) => old.schedulingGates?.some((gate) => gate.name === name))
  if (!removedOnly) errors.push(forbidden('spec.schedulingGates', 'only deletion is allowed, but found new scheduling gates'))
  checkTolerations(spec.tolerations ?? [], old.tolerations ?? [], errors)
  const gated = Boolean(old.schedulingGates?.length)
  if (gated) checkGatedScheduling(spec, old, errors)
  const [now, before] = [frozenPart(spec, old, gated), frozenPart(old, old, gated)]
  if (sameJson(now, before)) return
  errors.push(forbidden('spec', `pod updates may not change fields other than ${UPDATABLE}\n${differences(now, before)}`))
}

/** The spec without what may change, so that the rest can be compared. */
function frozenPart(spec: PodSpec, old: PodSpec, gated: boolean): PodSpec {
  const {
    activeDeadlineSeconds: _deadline,
    tolerations: _tolerations,
    schedulingGates: _gates,
    terminationGracePeriodSeconds,
    ...rest
  } = spec
  const part: PodSpec = { ...rest, containers: (spec.containers ?? []).map(withoutImage) }
  if (spec.initContainers) part.initContainers = spec.initContainers.map(withoutImage)
  if (terminationGracePeriodSeconds !== undefined && !((old.terminationGracePeriodSeconds ?? 0) < 0 && terminationGracePeriodSeconds === 1))
    part.terminationGracePeriodSeconds = terminationGracePeriodSeconds
  else if (spec === old) delete part.terminationGracePeriodSeconds
  if (!gated) return part
  delete part.nodeSelector
  if (part.affinity) part.affinity = { ...part.affinity, nodeAffinity: {} }
  return part
}

function withoutImage(container: types.Container): types.Container {
  const rest = { ...container }
  delete rest.image
  return rest
}

function checkDeadline(next: number | undefined, old: number | undefined, errors: Errors): void {
  const at = 'spec.activeDeadlineSeconds'
  if (next === undefined && old !== undefined) errors.push(invalid(at, next, 'must not update from a positive integer to nil value'))
  else if (next !== undefined && old !== undefined && next > old)
    errors.push(invalid(at, next, 'must be less than or equal to previous value'))
}

function checkTolerations(next: readonly types.Toleration[], old: readonly types.Toleration[], errors: Errors): void {
  for (const toleration of old) {
    const { tolerationSeconds: _, ...rest } = toleration
    const kept = next.some(({ tolerationSeconds: _seconds, ...other }) => sameJson(other, rest))
    if (!kept)
      return void errors.push(forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'))
  }
}

/** While gates hold a pod, its placement may become narrower. */
function checkGatedScheduling(spec: PodSpec, old: PodSpec, errors: Errors): void {
  const narrower = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value)
  if (!narrower)
    errors.push(
      invalid('spec.nodeSelector', spec.nodeSelector, 'only additions to spec.nodeSelector are allowed (no mutations or deletions)'),
    )
  const terms = (one: PodSpec) => one.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const [now, before] = [terms(spec), terms(old)]
  const at = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms'
  if (before.length === 0) return
  if (now.length !== before.length)
    return void errors.push(invalid(at, now, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'))
  const covers = (wide: readonly unknown[] | undefined, narrow: readonly unknown[] | undefined) =>
    (wide ?? []).every((one) => narrow?.some((other) => sameJson(one, other)))
  for (const [index, term] of before.entries()) {
    const { matchExpressions, matchFields } = now[index]!
    if (!covers(term.matchExpressions, matchExpressions) || !covers(term.matchFields, matchFields))
      errors.push(invalid(`${at}[${index}]`, now[index], 'only additions are allowed (no mutations or deletions)'))
  }
}

function checkEphemeralContainers({ spec }: Pod, previous: Pod, errors: Errors): void {
  const at = 'spec.ephemeralContainers'
  for (const old of previous.spec?.ephemeralContainers ?? []) {
    const kept = spec!.ephemeralContainers?.find(({ name }) => name === old.name)
    if (!kept) errors.push(forbidden(at, `existing ephemeral containers "${old.name}" may not be removed\n`))
    else if (!sameJson(kept, old)) errors.push(forbidden(at, `existing ephemeral containers "${old.name}" may not be changed\n`))
  }
}

function checkResize(next: Pod, previous: Pod, errors: Errors): void {
  const old = previous.spec!
  for (const list of ['containers', 'initContainers'] as const) {
    each(next.spec![list], `spec.${list}`, (container, at, index) => {
      const before = old[list]?.[index]
      if (before) checkResourceChange(container.resources, before.resources, `${at}.resources`, errors)
      const plainInit = list === 'initContainers' && container.restartPolicy !== 'Always'
      if (
        plainInit &&
        container.resizePolicy?.some(({ restartPolicy }) => restartPolicy === 'RestartContainer') &&
        !sameJson(container.resources, before?.resources)
      )
        errors.push(forbidden(`${at}.resources`, 'non-restartable init containers with resizePolicy RestartContainer may not be resized'))
    })
  }
  checkResourceChange(next.spec!.resources, old.resources, 'spec.resources', errors)
  if (qosClassOf(next.spec!) !== (previous.status?.qosClass ?? qosClassOf(old)))
    errors.push(invalid('spec', qosClassOf(next.spec!), 'Pod QOS Class may not change as a result of resizing'))
  if (old.os?.name === 'windows') errors.push(forbidden('', 'windows pods cannot be resized'))
}

function checkResourceChange(
  next: types.ResourceRequirements | undefined,
  old: types.ResourceRequirements | undefined,
  path: string,
  errors: Errors,
): void {
  for (const amounts of ['requests', 'limits'] as const) {
    const [now, before] = [next?.[amounts] ?? {}, old?.[amounts] ?? {}]
    for (const name of Object.keys({ ...before, ...now })) {
      const [a, b] = [now[name], before[name]]
      if (b !== undefined && a === undefined) errors.push(forbidden(`${path}.${amounts}`, `resource ${amounts} cannot be removed`))
      else if (a !== b && name !== 'cpu' && name !== 'memory') errors.push(forbidden('spec', 'only cpu and memory resources are mutable'))
    }
  }
  if (!sameJson(next?.claims, old?.claims)) errors.push(forbidden(`${path}.claims`, 'claims may not be changed'))
}

function validateStatus(next: Pod, previous: Pod): FieldError[] {
  const errors: FieldError[] = []
  checkImmutable('spec.nodeName', next.spec?.nodeName, previous.spec?.nodeName, errors)
  const { status = {} } = next
  const old = previous.status ?? {}
  if (old.qosClass && status.qosClass !== old.qosClass) errors.push(invalid('status.qosClass', status.qosClass, 'field is immutable'))
  checkNonNegative('status.observedGeneration', status.observedGeneration, errors)
  if (previous.spec?.restartPolicy !== 'Always')
    for (const list of ['containerStatuses', 'initContainerStatuses'] as const)
      each(status[list], `status.${list}`, (container, at) => {
        const before = old[list]?.find(({ name }) => name === container.name)
        const declared = [...(previous.spec?.containers ?? []), ...(previous.spec?.initContainers ?? [])].find(
          ({ name }) => name === container.name,
        )
        if (!before?.state?.terminated || container.state?.terminated || !declared) return
        const policy = declared.restartPolicy ?? previous.spec?.restartPolicy
        if (policy === 'Always' || declared.restartPolicyRules?.length) return
        if (policy === 'OnFailure' && before.state.terminated.exitCode) return
        errors.push(forbidden(`${at}.state`, 'may not be transitioned to non-terminated state'))
      })
  each(status.conditions, 'status.conditions', ({ type }, at) => {
    if (!type) errors.push(notFound(`${at}.type`, type))
  })
  return errors
}

/** Which fields changed, as a hint for the reader. */
function differences(next: PodSpec, old: PodSpec): string {
  const fields = new Set([...Object.keys(next), ...Object.keys(old)]) as Set<keyof PodSpec>
  return [...fields]
    .filter((field) => !sameJson(next[field], old[field]))
    .toSorted()
    .map((field) => `- ${field}: ${JSON.stringify(old[field])}\n+ ${field}: ${JSON.stringify(next[field])}\n`)
    .join('')
}
