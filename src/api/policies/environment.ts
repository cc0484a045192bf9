// What expressions of admission policies can name: the request and its objects, parameters, variables, and in mutations the types of patches.
import { AUTHORIZER, RESOURCE_CHECK } from '#api/cel/authorizer-library.ts'
import { BOOL, celEnvironment, DYN, INT, listOf, mapOf, STRING, Type } from '#api/cel/environment.ts'
import { schemaType, structType as struct } from '#api/cel/object-types.ts'
import { declare, functionTable, type FunctionTable } from '#lib/cel/functions.ts'
import type { Environment } from '#lib/cel/program.ts'
import { mutationType } from './mutation-types.ts'

export interface PolicyNames {
  hasParams: boolean
  hasAuthorizer: boolean
  /** Of `variables`: grows as they are compiled. Absent: there are none to see. */
  variables?: ReadonlyMap<string, Type>
  /** Whether patches can be made. */
  mutates?: boolean
  /** What `object`, `oldObject` and `params` are known to be; anything unless said. */
  object?: Type
  params?: Type
}

const STRINGS = listOf(STRING)
const TIME = schemaType({ type: 'string', format: 'date-time' })

const NAMESPACE = struct('kubernetes.Namespace', {
  apiVersion: STRING,
  kind: STRING,
  metadata: struct('kubernetes.NamespaceMetadata', {
    name: STRING,
    generateName: STRING,
    namespace: STRING,
    labels: mapOf(STRING, STRING),
    annotations: mapOf(STRING, STRING),
    UID: STRING,
    creationTimestamp: TIME,
    deletionTimestamp: TIME,
    deletionGracePeriodSeconds: INT,
    generation: INT,
    resourceVersion: STRING,
    finalizers: STRINGS,
  }),
  spec: struct('kubernetes.NamespaceSpec', { finalizers: STRINGS }),
  status: struct('kubernetes.NamespaceStatus', { phase: STRING }),
})

const REQUEST = struct('kubernetes.AdmissionRequest', {
  kind: struct('kubernetes.GroupVersionKind', { group: STRING, version: STRING, kind: STRING }),
  resource: struct('kubernetes.GroupVersionResource', { group: STRING, version: STRING, resource: STRING }),
  subResource: STRING,
  requestKind: struct('kubernetes.GroupVersionKind', { group: STRING, version: STRING, kind: STRING }),
  requestResource: struct('kubernetes.GroupVersionResource', { group: STRING, version: STRING, resource: STRING }),
  requestSubResource: STRING,
  name: STRING,
  namespace: STRING,
  operation: STRING,
  userInfo: struct('kubernetes.UserInfo', { username: STRING, uid: STRING, groups: STRINGS, extra: mapOf(STRING, STRINGS) }),
  dryRun: BOOL,
  options: DYN,
})

export function policyEnvironment({ hasParams, hasAuthorizer, variables, mutates, object = DYN, params = DYN }: PolicyNames): Environment {
  const declared: Record<string, Type> = { object, oldObject: object, request: REQUEST, namespaceObject: NAMESPACE }
  if (hasParams) declared['params'] = params
  if (hasAuthorizer) Object.assign(declared, { authorizer: AUTHORIZER, 'authorizer.requestResource': RESOURCE_CHECK })
  if (variables) declared['variables'] = variablesType(variables)
  const environment = celEnvironment({ variables: declared, ...(mutates ? { type: mutationType } : {}) })
  return mutates ? { ...environment, functions: mutationFunctions(environment.functions) } : environment
}

function variablesType(variables: ReadonlyMap<string, Type>): Type {
  return new Type('object', 'kubernetes.variables', {
    field(name) {
      const type = variables.get(name)
      return type && { type, key: name }
    },
    fieldNames: () => variables.keys(),
  })
}

let withEscape: { base: FunctionTable; table: FunctionTable } | undefined

/** One table for all policies: it is large. */
function mutationFunctions(base: FunctionTable): FunctionTable {
  if (withEscape?.base !== base) {
    const escapeKey = declare('jsonpatch.escapeKey(string): string', (_, text: string) => text.replaceAll('~', '~0').replaceAll('/', '~1'))
    withEscape = { base, table: functionTable([escapeKey], base) }
  }
  return withEscape.table
}
