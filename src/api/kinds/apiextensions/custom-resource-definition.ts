import { clone } from '#api/clone.ts'
import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { formatTime } from '#lib/clock.ts'
import { validateCrd } from './crd-validation.ts'
import { validateSchemas } from './crd-schemas.ts'

export type CustomResourceDefinition = types.CustomResourceDefinition

export const CustomResourceDefinition = defineKind<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  scope: 'Cluster',
  subresources: {
    status: { verbs: ['get', 'patch', 'update'] },
  },
  requireResourceVersionOnUpdate: true,
  generationOf: ({ spec }) => spec,
  defaultsWhole: true,
  default({ spec, status }) {
    if (!spec) return
    const names = (spec.names ??= { kind: '', plural: '' })
    if (names.kind) {
      names.singular ||= names.kind.toLowerCase()
      names.listKind ||= `${names.kind}List`
    }
    spec.conversion ??= { strategy: 'None' }
    if (spec.conversion.webhook?.clientConfig?.service) spec.conversion.webhook.clientConfig.service.port ??= 443
    const storage = storageVersionOf(spec)
    if (status && storage && !status.storedVersions?.length) status.storedVersions = [storage]
  },
  prepareForCreate(definition) {
    const storage = storageVersionOf(definition.spec)
    definition.status = { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: storage ? [storage] : [] }
  },
  prepareForUpdate({ spec, status, metadata }, previous, { subresource }) {
    // A writer of status may let finalizers go, and changes nothing else of metadata that people write.
    if (subresource === 'status') {
      for (const field of ['labels', 'annotations', 'ownerReferences'] as const) {
        const before = previous.metadata?.[field]
        if (before === undefined) delete metadata![field]
        else Object.assign(metadata!, { [field]: clone(before) })
      }
    }
    const storage = storageVersionOf(spec)
    if (subresource || !status || !storage || status.storedVersions?.includes(storage)) return
    status.storedVersions = [...(status.storedVersions ?? []), storage]
  },
  prepareForDelete(definition, { now }) {
    // Its objects go first.
    const meta = definition.metadata!
    if (!meta.finalizers?.includes(CLEANUP_FINALIZER)) meta.finalizers = [...(meta.finalizers ?? []), CLEANUP_FINALIZER]
    setCondition(definition, {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
      lastTransitionTime: formatTime(now),
    })
  },
  validate: validateCrd,
  validateFurther: validateSchemas,
})

export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io'

/** In place of the condition of that type; the time stays where the status does. */
export function setCondition(definition: CustomResourceDefinition, condition: types.CustomResourceDefinitionCondition): void {
  const status = (definition.status ??= {})
  const conditions = (status.conditions ??= [])
  const at = conditions.findIndex(({ type }) => type === condition.type)
  const { lastTransitionTime } = conditions[at]?.status === condition.status ? conditions[at] : condition
  const next = { lastTransitionTime: lastTransitionTime ?? condition.lastTransitionTime!, ...omitTime(condition) }
  if (at < 0) conditions.push(next)
  else conditions[at] = next
}

function omitTime({ lastTransitionTime: _time, ...rest }: types.CustomResourceDefinitionCondition) {
  return rest
}

function storageVersionOf(spec: types.CustomResourceDefinitionSpec | undefined): string | undefined {
  return spec?.versions?.find(({ storage }) => storage)?.name
}
