// A version of a CustomResourceDefinition becomes a Kind: from then on nothing tells it from a kind that is built in.
import { clone } from '#api/clone.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps } from '#api/generated/types.ts'
import type { Kind, Subresource, Verb } from '#api/kind.ts'
import { apiVersionOf, type KubeObject, parseApiVersion } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import { paced } from '#lib/paced.ts'
import { customColumns } from './columns.ts'
import { applySchemaDefaults } from './defaults.ts'
import { JsonPath } from './json-path.ts'
import { checkStructure } from './lists.ts'
import { pruneResource } from './prune.ts'
import { checkRules, rulesBlocked } from './rule-check.ts'
import { hasRules, RuleTree } from './rule-tree.ts'
import { resourceSchema, resourceSchemaInSteps } from './schema.ts'
import { Validator } from './validate.ts'

type Resource = KubeObject & Record<string, unknown>

/** In the order in which upstream lists those of custom resources. */
const VERBS: readonly Verb[] = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']
const STATUS_VERBS = ['get', 'patch', 'update']
const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' }

export interface CustomKindOptions {
  /** Asked with every create: once the definition is going, nothing new is made. */
  isTerminating?(): boolean
  /** All versions of it, itself too. */
  siblings?(): readonly Kind<any>[]
}

/** Every served version, under the names the definition was granted. */
export function customKinds(definition: CustomResourceDefinition, options?: CustomKindOptions): Kind<Resource>[] {
  const { versions } = definition.spec
  const kinds: Kind<Resource>[] = versions.map((version) => customKind(definition, version, { ...options, siblings: () => kinds }))
  return kinds.filter((_, index) => versions[index]!.served)
}

export function customKind(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  { isTerminating = () => false, siblings }: CustomKindOptions = {},
): Kind<Resource> {
  const { spec, status, metadata } = definition
  const { group } = spec
  const names = { ...spec.names, ...status?.acceptedNames }
  const root = version.schema?.openAPIV3Schema ?? ({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as JSONSchemaProps)
  const storage = spec.versions.find((one) => one.storage) ?? version
  const validator = new Validator()
  const ownStatus = version.subresources?.status !== undefined
  const scale = version.subresources?.scale
  let schema: Kind['schema'] | undefined

  return {
    group,
    version: version.name,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    ...(names.shortNames?.length ? { shortNames: names.shortNames } : {}),
    ...(names.categories?.length ? { categories: names.categories } : {}),
    scope: spec.scope === 'Namespaced' ? 'Namespaced' : 'Cluster',
    verbs: VERBS,
    get schema() {
      schema ??= resourceSchema(root, selectableFields(version))
      return schema
    },
    async prepareSchema() {
      schema ??= await paced(resourceSchemaInSteps(root, selectableFields(version)), SCHEMAS_PER_TURN)
    },
    get versions() {
      return siblings?.()
    },
    subresources: subresourcesOf(version),
    ...(scale ? { scale: scalePaths(scale) } : {}),
    ...(storage === version ? {} : { storageVersion: { group, version: storage.name } }),
    // What was written before the definition last changed may miss defaults or hold what is no field any more.
    ...(storage !== version || (metadata?.generation ?? 1) > 1 ? { convert: readThrough(spec, version) } : {}),
    fields: selectors(version),
    requireResourceVersionOnUpdate: true,
    ...(version.deprecated ? { deprecated: deprecationOf(version, { group, kind: names.kind }) } : {}),
    generationOf: ({ metadata: _metadata, apiVersion: _version, kind: _kind, status: state, ...rest }) =>
      ownStatus ? rest : { ...rest, status: state },
    decode: (object) => pruneResource(object, root),
    default: (object) => applySchemaDefaults(object, root),
    prepareForCreate() {
      if (isTerminating()) throw new StatusError('MethodNotAllowed', 'create not allowed while custom resource definition is terminating')
    },
    prepareForUpdate(next, previous, { subresource }) {
      // A writer of status changes nothing but status, whatever its metadata says.
      if (subresource !== 'status') return
      const { managedFields, resourceVersion } = next.metadata ?? {}
      next.metadata = {
        ...clone(previous.metadata!),
        ...(managedFields ? { managedFields } : {}),
        ...(resourceVersion ? { resourceVersion } : {}),
      }
    },
    validate(next, previous) {
      const errors: FieldError[] = validator.check(root, next, { path: '', previous })
      checkStructure(root, next, { path: '', previous, errors })
      if (scale) checkReplicas(next, scale, errors)
      return errors
    },
    ...(hasRules(root) ? { validateFurther: rulesOf(root) } : {}),
    columns: customColumns(version.additionalPrinterColumns),
    madeOf: definition,
  }
}

/** Some 5 ms. */
const SCHEMAS_PER_TURN = 5000

/** Cost to evaluate before others have a turn. */
const SLICE = 100_000

function rulesOf(root: JSONSchemaProps): NonNullable<Kind<Resource>['validateFurther']> {
  let tree: RuleTree | undefined
  return async (next, previous, { errors, warn }) => {
    const blocked = rulesBlocked(errors)
    if (blocked) return [blocked]
    tree ??= RuleTree.of(root)
    if (!tree) return []
    const { errors: found, warnings } = await paced(checkRules(tree, next, { previous }), SLICE)
    for (const text of warnings) warn(text)
    return found
  }
}

function subresourcesOf({ subresources }: CustomResourceDefinitionVersion): Record<string, Subresource> {
  return {
    ...(subresources?.status ? { status: { verbs: STATUS_VERBS } } : {}),
    ...(subresources?.scale ? { scale: { verbs: STATUS_VERBS, kind: SCALE } } : {}),
  }
}

type Scale = NonNullable<NonNullable<CustomResourceDefinitionVersion['subresources']>['scale']>

function scalePaths({ specReplicasPath, statusReplicasPath, labelSelectorPath }: Scale): NonNullable<Kind['scale']> {
  return {
    specReplicas: specReplicasPath.slice(1),
    statusReplicas: statusReplicasPath.slice(1),
    ...(labelSelectorPath ? { labelSelector: labelSelectorPath.slice(1) } : {}),
  }
}

function checkReplicas(object: Resource, { specReplicasPath, statusReplicasPath }: Scale, errors: FieldError[]): void {
  for (const path of [specReplicasPath, statusReplicasPath]) {
    const [count] = JsonPath.parse(path).find(object)
    if (typeof count === 'number' && count < 0) errors.push(invalid(path, count, 'should be a non-negative integer'))
  }
}

/**
 * All versions have one shape: what differs is what each version's schema knows. What the stored version does not know is not kept, and its
 * defaults are those that what was stored is read with, whichever version is asked for.
 */
function readThrough(
  { versions }: CustomResourceDefinition['spec'],
  version: CustomResourceDefinitionVersion,
): NonNullable<Kind<Resource>['convert']> {
  const rootOf = (one: CustomResourceDefinitionVersion | undefined) => one?.schema?.openAPIV3Schema
  const pruned = (object: Resource, root: JSONSchemaProps | undefined) => {
    if (root) pruneResource(object, root)
  }
  const storage = versions.find((one) => one.storage) ?? version
  const own = rootOf(version)
  return {
    toStorage(object) {
      if (storage === version) return object
      const stored = clone(object) as Resource
      pruned(stored, rootOf(storage))
      return stored
    },
    fromStorage(stored) {
      const object = clone(stored) as Resource
      const written = versions.find(({ name }) => name === parseApiVersion(object.apiVersion ?? '').version) ?? version
      const root = rootOf(written)
      pruned(object, root)
      if (root) applySchemaDefaults(object, root)
      if (root !== own) pruned(object, own)
      return object
    },
  }
}

function selectors({ selectableFields }: CustomResourceDefinitionVersion): Record<string, (object: Resource) => string> {
  return Object.fromEntries(
    (selectableFields ?? []).map(({ jsonPath }) => {
      const path = JsonPath.parse(jsonPath)
      return [jsonPath.slice(1), (object: Resource) => String(path.find(object)[0] ?? '')]
    }),
  )
}

function selectableFields({ selectableFields: fields }: CustomResourceDefinitionVersion): Record<string, unknown> {
  return fields?.length ? { 'x-kubernetes-selectable-fields': fields.map(({ jsonPath }) => ({ fieldPath: jsonPath.slice(1) })) } : {}
}

function deprecationOf({ deprecationWarning, name }: CustomResourceDefinitionVersion, { group, kind }: { group: string; kind: string }) {
  return deprecationWarning ?? `${apiVersionOf({ group, version: name })} ${kind} is deprecated`
}
