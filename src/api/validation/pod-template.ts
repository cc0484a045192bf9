// The template and selector shared by everything that makes pods.
import { type FieldError, forbidden, invalid, notSupported, required } from '#api/field-error.ts'
import type { LabelSelector, PodTemplateSpec } from '#api/generated/types.ts'
import { validateTemplateMeta } from '#api/meta/object-meta.ts'
import { isEmptySelector, selectorMatches, validateLabelSelector } from './label-selector.ts'
import { validatePodSpec } from './pod-spec.ts'

export function validatePodTemplate(template: PodTemplateSpec | undefined, path: string): FieldError[] {
  const errors = validateTemplateMeta(template?.metadata, `${path}.metadata`)
  const spec = template?.spec ?? { containers: [] }
  errors.push(...validatePodSpec(spec, `${path}.spec`))
  if (spec.ephemeralContainers?.length)
    errors.push(forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
  return errors
}

/** Selector and template of a workload whose pods must restart for ever. */
export function validateWorkloadTemplate(
  { selector, template }: { selector?: LabelSelector; template?: PodTemplateSpec },
  path: string,
  workload: 'ReplicaSet' | 'DaemonSet' | 'StatefulSet' = 'ReplicaSet',
): FieldError[] {
  const errors: FieldError[] = []
  if (!selector) errors.push(required(`${path}.selector`))
  else {
    errors.push(...validateLabelSelector(selector, `${path}.selector`))
    // Upstream speaks of deployments where it means replica sets.
    const spelled = workload === 'ReplicaSet' ? 'deployment' : workload.toLowerCase()
    if (isEmptySelector(selector)) errors.push(invalid(`${path}.selector`, selector, `empty selector is invalid for ${spelled}`))
    else if (!selectorMatches(selector, template?.metadata?.labels))
      errors.push(
        invalid(`${path}.template.metadata.labels`, template?.metadata?.labels ?? {}, '`selector` does not match template `labels`'),
      )
  }
  errors.push(...validatePodTemplate(template, `${path}.template`))
  const { restartPolicy, activeDeadlineSeconds } = template?.spec ?? {}
  if (restartPolicy && restartPolicy !== 'Always')
    errors.push(notSupported(`${path}.template.spec.restartPolicy`, restartPolicy, ['Always']))
  if (activeDeadlineSeconds !== undefined)
    errors.push(forbidden(`${path}.template.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${workload} is not Supported`))
  return errors
}
