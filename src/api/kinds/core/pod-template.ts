import { defineKind } from '#api/define-kind.ts'
import { defaultPodTemplate } from '#api/defaults/pod-spec.ts'
import type * as types from '#api/generated/types.ts'
import { nameColumn, templateColumns } from '#api/kinds/columns.ts'
import { formatLabels } from '#api/validation/label-selector.ts'
import { validatePodTemplate } from '#api/validation/pod-template.ts'
import { templateWarnings } from './pod-warnings.ts'

export type PodTemplate = types.PodTemplate

export const PodTemplate = defineKind<PodTemplate>({
  group: '',
  version: 'v1',
  kind: 'PodTemplate',
  plural: 'podtemplates',
  scope: 'Namespaced',
  generationOf: ({ template }) => template,
  default: (object) => defaultPodTemplate((object.template ??= {})),
  validate: ({ template }, previous) => validatePodTemplate(template, 'template', previous?.template),
  warnings: ({ template }) => templateWarnings(template ?? {}, 'template'),
  columns: [
    nameColumn,
    ...templateColumns<PodTemplate>(({ template }) => template, 0),
    { name: 'Pod Labels', description: 'Labels of the template.', value: ({ template }) => formatLabels(template?.metadata?.labels) },
  ],
})
