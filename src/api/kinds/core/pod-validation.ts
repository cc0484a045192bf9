// Rules of pods: on create, and what little of a pod may change afterwards. Its subresources are in files of their own.
import { type FieldError, forbidden, invalid } from '#api/field-error.ts'
import type * as types from '#api/generated/types.ts'
import type { HookContext } from '#api/kind.ts'
import { each, type Errors } from '#api/validation/checks.ts'
import { checkImageSpaces } from '#api/validation/containers.ts'
import { difference } from '#api/validation/internal-form.ts'
import { validatePodAnnotations, validatePodAnnotationsUpdate } from '#api/validation/pod-annotations.ts'
import { validatePodSpec } from '#api/validation/pod-spec.ts'
import { sameJson } from '#api/validation/same-json.ts'
import { checkProfileAnnotations } from '#api/validation/security-context.ts'
import { MIRROR_ANNOTATION } from '#api/well-known.ts'
import { validatePodResize } from './pod-resize.ts'
import { validatePodStatus } from './pod-status.ts'

type Pod = types.Pod
type PodSpec = types.PodSpec

const INT32_MAX = 2147483647
const UPDATABLE =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

export function validatePod(next: Pod, previous: Pod | undefined, { subresource }: HookContext): FieldError[] {
  // Binding sets what no update may: the node. Its handler has checked that it may be set.
  if (subresource === 'binding') return []
  if (subresource === 'status') return previous ? validatePodStatus(next, previous) : []
  const spec = next.spec!
  const { annotations, name } = next.metadata ?? {}
  const isStatic = (pod: Pod) => pod.metadata?.annotations?.[MIRROR_ANNOTATION] !== undefined
  const errors = validatePodAnnotations(annotations, spec, 'metadata.annotations')
  errors.push(...validatePodSpec(spec, 'spec', { pod: { name, static: isStatic(next) }, previous: previous?.spec }))
  checkPodOnly(spec, errors)
  if (!previous) {
    if (spec.ephemeralContainers?.length) errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'))
    if (spec.schedulingGates?.length && spec.nodeName)
      errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'))
    checkProfileAnnotations(annotations, spec, 'spec', errors)
    return errors
  }
  if (subresource === 'resize') return validatePodResize(next, previous, errors)
  errors.push(...validatePodAnnotationsUpdate(annotations, previous.metadata?.annotations, 'metadata.annotations'))
  if (subresource === 'ephemeralcontainers') {
    // Nothing else is worth saying then.
    if (isStatic(previous)) return [forbidden('[]', 'static pods do not support ephemeral containers')]
    checkEphemeralContainers(next, previous, errors)
  } else checkUpdate(spec, previous.spec!, errors)
  return errors
}

/** What templates may hold and pods may not. */
function checkPodOnly(spec: PodSpec, errors: Errors): void {
  if (!spec.serviceAccountName)
    each(spec.volumes, 'spec.volumes', ({ projected }, at) =>
      each(projected?.sources, `${at}.projected.sources`, ({ serviceAccountToken }, where) => {
        if (serviceAccountToken)
          errors.push(forbidden(`${where}.serviceAccountToken`, 'must not be specified when serviceAccountName is not set'))
      }),
    )
  for (const list of ['containers', 'initContainers'] as const)
    each(spec[list], `spec.${list}`, (container, at) => checkImageSpaces(container, at, errors))
}

function checkUpdate(spec: PodSpec, old: PodSpec, errors: Errors): void {
  for (const list of ['containers', 'initContainers'] as const)
    if ((spec[list]?.length ?? 0) !== (old[list]?.length ?? 0))
      return void errors.push(forbidden(`spec.${list}`, 'pod updates may not add or remove containers'))
  const [deadline, before] = [spec.activeDeadlineSeconds, old.activeDeadlineSeconds]
  const at = 'spec.activeDeadlineSeconds'
  if (deadline !== undefined && (deadline < 0 || deadline > INT32_MAX))
    return void errors.push(invalid(at, deadline, `must be between 0 and ${INT32_MAX}, inclusive`))
  if (deadline !== undefined && before !== undefined && deadline > before)
    return void errors.push(invalid(at, deadline, 'must be less than or equal to previous value'))
  if (deadline === undefined && before !== undefined)
    errors.push(invalid(at, deadline, 'must not update from a positive integer to nil value'))
  checkTolerations(spec.tolerations ?? [], old.tolerations ?? [], errors)
  const gates = new Set(old.schedulingGates?.map(({ name }) => name))
  each(spec.schedulingGates, 'spec.schedulingGates', ({ name }, where) => {
    if (!gates.has(name)) errors.push(forbidden(`${where}.name`, `only deletion is allowed, but found new scheduling gate '${name}'`))
  })
  const gated = Boolean(old.schedulingGates?.length)
  if (gated) checkGatedScheduling(spec, old, errors)
  const rest = withFormer(spec, old, gated)
  if (!sameJson(rest, old))
    errors.push(forbidden('spec', `pod updates may not change fields other than ${UPDATABLE}\n${difference('PodSpec', old, rest)}`))
}

/** The spec with what may change as it was, so that the rest can be compared. */
function withFormer(spec: PodSpec, old: PodSpec, gated: boolean): PodSpec {
  const images = (list: 'containers' | 'initContainers') =>
    spec[list]?.map((container, index) => withField(container, 'image', old[list]![index]!.image))
  let rest: PodSpec = { ...spec, containers: images('containers') ?? [] }
  if (spec.initContainers) rest.initContainers = images('initContainers')!
  for (const field of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates'] as const) rest = withField(rest, field, old[field])
  const grace = old.terminationGracePeriodSeconds
  if (grace !== undefined && grace < 0 && spec.terminationGracePeriodSeconds === 1) rest.terminationGracePeriodSeconds = grace
  if (!gated) return rest
  rest = withField(rest, 'nodeSelector', old.nodeSelector)
  return withField(rest, 'affinity', withField({ ...rest.affinity }, 'nodeAffinity', old.affinity?.nodeAffinity))
}

function withField<T extends object, K extends keyof T>(object: T, field: K, value: T[K] | undefined): T {
  const copy = { ...object }
  if (value === undefined) delete copy[field]
  else copy[field] = value
  return copy
}

function checkTolerations(next: readonly types.Toleration[], old: readonly types.Toleration[], errors: Errors): void {
  const textOf = ({ key = '', operator = '', value = '', effect = '' }: types.Toleration) => JSON.stringify([key, operator, value, effect])
  const texts = new Set(next.map(textOf))
  if (!old.every((toleration) => texts.has(textOf(toleration))))
    errors.push(forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'))
}

/** While gates hold a pod, its placement may become narrower. */
function checkGatedScheduling(spec: PodSpec, old: PodSpec, errors: Errors): void {
  const narrower = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value)
  if (!narrower)
    errors.push(
      invalid(
        'spec.nodeSelector',
        spec.nodeSelector ?? null,
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ),
    )
  const terms = (one: PodSpec) => one.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const [now, before] = [terms(spec), terms(old)]
  const at = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms'
  if (before.length === 0) return
  // As upstream's structures print.
  const shown = (term: types.NodeSelectorTerm) => ({
    MatchExpressions: term.matchExpressions?.map(shownRequirement) ?? null,
    MatchFields: term.matchFields?.map(shownRequirement) ?? null,
  })
  if (now.length !== before.length)
    return void errors.push(
      invalid(at, now.length ? now.map(shown) : null, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'),
    )
  const starts = (longer: readonly unknown[] = [], shorter: readonly unknown[] = []) =>
    shorter.every((one, index) => sameJson(one, longer[index]))
  for (const [index, term] of before.entries()) {
    const { matchExpressions, matchFields } = now[index]!
    const empty = !term.matchExpressions?.length && !term.matchFields?.length
    const filled = matchExpressions?.length || matchFields?.length
    // A term without requirements picks nothing: any requirement would widen it.
    if ((empty && filled) || !starts(matchExpressions, term.matchExpressions) || !starts(matchFields, term.matchFields))
      errors.push(invalid(`${at}[${index}]`, shown(now[index]!), 'only additions are allowed (no mutations or deletions)'))
  }
}

const shownRequirement = ({ key, operator, values }: types.NodeSelectorRequirement) => ({
  Key: key,
  Operator: operator,
  Values: values ?? null,
})

function checkEphemeralContainers({ spec }: Pod, previous: Pod, errors: Errors): void {
  const at = 'spec.ephemeralContainers'
  for (const old of previous.spec?.ephemeralContainers ?? []) {
    const kept = spec!.ephemeralContainers?.find(({ name }) => name === old.name)
    if (!kept) errors.push(forbidden(at, `existing ephemeral containers "${old.name}" may not be removed\n`))
    else if (!sameJson(kept, old))
      errors.push(
        forbidden(at, `existing ephemeral containers "${old.name}" may not be changed\n${difference('EphemeralContainer', old, kept)}`),
      )
  }
}
