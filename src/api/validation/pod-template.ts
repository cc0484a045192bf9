// The template and selector shared by everything that makes pods.
import { equal } from '#api/equal.ts'
import { type FieldError, forbidden, invalid, invalidUnshown, notSupported, required } from '#api/field-error.ts'
import type { LabelSelector, PodSpec, PodTemplateSpec } from '#api/generated/types.ts'
import { validateTemplateMeta } from '#api/meta/object-meta.ts'
import { mapForm, selectorForm } from './internal-form.ts'
import { isEmptySelector, isMalformedSelector, selectorMatches, validateLabelSelector } from './label-selector.ts'
import { validatePodAnnotations } from './pod-annotations.ts'
import { validatePodSpec } from './pod-spec.ts'
import { checkProfileAnnotations } from './security-context.ts'

/** Those that were found in order: most writes of a workload leave its template as it is. */
const inOrder = new WeakSet<PodTemplateSpec>()

export function validatePodTemplate(template: PodTemplateSpec | undefined, path: string, previous?: PodTemplateSpec): FieldError[] {
  const known = previous !== undefined && inOrder.has(previous) && equal(template, previous)
  const errors = known ? [] : templateErrors(template, path, previous)
  if (template && errors.length === 0) inOrder.add(template)
  return errors
}

function templateErrors(template: PodTemplateSpec | undefined, path: string, previous: PodTemplateSpec | undefined): FieldError[] {
  const { metadata, spec = NO_PODS } = template ?? {}
  const errors = validateMeta(template, path)
  errors.push(...validatePodSpec(spec, `${path}.spec`, { previous: previous?.spec }))
  checkProfileAnnotations(metadata?.annotations, spec, `${path}.spec`, errors)
  if (spec.ephemeralContainers?.length)
    errors.push(forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
  return errors
}

const NO_PODS: PodSpec = { containers: [] }

function validateMeta({ metadata, spec = NO_PODS }: PodTemplateSpec = {}, path: string): FieldError[] {
  return [...validateTemplateMeta(metadata, path), ...validatePodAnnotations(metadata?.annotations, spec, `${path}.annotations`)]
}

interface Workload {
  selector?: LabelSelector
  template?: PodTemplateSpec
}

const SPELLED = { ReplicaSet: 'deployment', DaemonSet: 'daemonset', StatefulSet: 'statefulset' }

interface WorkloadOptions {
  workload?: keyof typeof SPELLED
  previous?: Workload | undefined
  /** The pods of a template that already was at fault may stay so. */
  toleratePods?: boolean
}

/** Selector and template of a workload whose pods must restart for ever. */
export function validateWorkloadTemplate(
  { selector, template }: Workload,
  path: string,
  { workload = 'ReplicaSet', previous, toleratePods }: WorkloadOptions = {},
): FieldError[] {
  const errors: FieldError[] = []
  if (selector) {
    errors.push(...validateLabelSelector(selector, `${path}.selector`))
    // Upstream speaks of deployments where it means replica sets.
    if (isEmptySelector(selector)) errors.push(invalid(`${path}.selector`, selector, `empty selector is invalid for ${SPELLED[workload]}`))
  } else if (workload !== 'DaemonSet') errors.push(required(`${path}.selector`))
  const malformed = isMalformedSelector(selector)
  // What a malformed selector would pick is not asked.
  if (malformed && workload === 'StatefulSet') errors.push(invalidUnshown(`${path}.selector`, JSON.stringify(selectorForm(selector))))
  else if (malformed && workload === 'ReplicaSet')
    errors.push(invalid(`${path}.selector`, selectorForm(selector), 'invalid label selector'))
  // No selector picks nothing, so that no template has the labels for it.
  else if (!malformed && ((!selector && workload === 'DaemonSet') || (selector && !isEmptySelector(selector))))
    if (!selectorMatches(selector, template?.metadata?.labels))
      errors.push(
        invalid(`${path}.template.metadata.labels`, mapForm(template?.metadata?.labels), '`selector` does not match template `labels`'),
      )
  if (malformed && workload === 'ReplicaSet') return errors
  const at = `${path}.template`
  if (!malformed || workload === 'DaemonSet')
    errors.push(...(toleratePods ? validateMeta(template, at) : validatePodTemplate(template, at, previous?.template)))
  const { restartPolicy, activeDeadlineSeconds } = template?.spec ?? {}
  if (restartPolicy !== 'Always') errors.push(notSupported(`${path}.template.spec.restartPolicy`, restartPolicy ?? '', ['Always']))
  if (activeDeadlineSeconds !== undefined)
    errors.push(forbidden(`${path}.template.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${workload} is not Supported`))
  return errors
}
