import { defineKind } from '#api/define-kind.ts'
import type * as types from '#api/generated/types.ts'
import { validateCrd } from './crd-validation.ts'

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
    definition.status = { storedVersions: storage ? [storage] : [] }
  },
  prepareForUpdate({ spec, status }, _previous, { subresource }) {
    const storage = storageVersionOf(spec)
    if (subresource || !status || !storage || status.storedVersions?.includes(storage)) return
    status.storedVersions = [...(status.storedVersions ?? []), storage]
  },
  validate: validateCrd,
})

function storageVersionOf(spec: types.CustomResourceDefinitionSpec | undefined): string | undefined {
  return spec?.versions?.find(({ storage }) => storage)?.name
}
