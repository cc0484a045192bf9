// Which flow schema a request belongs to: the first that matches, by precedence and then name. Answers are remembered for as long as the schemas stay.
import type { FlowSchemaSpec, PolicyRulesWithSubjects, ResourcePolicyRule } from '#api/generated/types.ts'
import type { FlowSchema } from '#api/kinds/flowcontrol/flow-schema.ts'
import type { UserInfo } from '#client/client.ts'
import type { RequestAttributes } from '#server/request.ts'

type About = Pick<RequestAttributes, 'verb' | 'isResourceRequest' | 'path' | 'group' | 'resource' | 'subresource' | 'namespace'>

const REMEMBERED = 10_000

export class FlowSchemas<Flow> {
  readonly #rows: { flow: Flow; spec: FlowSchemaSpec }[]
  readonly #last: Flow
  readonly #byNamespace: boolean
  readonly #known = new Map<string, Flow>()

  /** `last` takes what no schema matches. Schemas without a flow (their level is not there) are left out. */
  constructor(schemas: readonly FlowSchema[], { flowOf, last }: { flowOf(schema: FlowSchema): Flow | undefined; last: Flow }) {
    const sorted = schemas.toSorted(
      (a, b) => precedence(a) - precedence(b) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1),
    )
    this.#rows = sorted.flatMap((schema) => {
      const flow = schema.spec && flowOf(schema)
      return flow === undefined ? [] : [{ flow, spec: schema.spec! }]
    })
    this.#last = last
    this.#byNamespace = this.#rows.some(({ spec }) =>
      spec.rules?.some(({ resourceRules = [] }) => resourceRules.some(({ namespaces }) => namespaces?.some((one) => one !== '*'))),
    )
  }

  match(user: UserInfo, about: About): Flow {
    const { verb, isResourceRequest, path, group, resource, subresource, namespace } = about
    const where = this.#byNamespace || namespace === '' ? namespace : '*'
    const what = isResourceRequest ? `${group}/${resource}/${subresource}\n${where}` : path
    const key = `${user.username}\n${user.groups.join()}\n${verb}\n${what}`
    const known = this.#known.get(key)
    if (known) return known
    const found = this.#rows.find(({ spec }) => spec.rules?.some((rule) => matches(rule, user, about)))?.flow ?? this.#last
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(key, found)
    return found
  }
}

const precedence = ({ spec }: FlowSchema): number => spec?.matchingPrecedence ?? 1000

function matches({ subjects, resourceRules = [], nonResourceRules = [] }: PolicyRulesWithSubjects, user: UserInfo, about: About): boolean {
  const { verb, isResourceRequest, path } = about
  if (!subjects?.some((subject) => isSubject(subject, user))) return false
  if (isResourceRequest) return resourceRules.some((rule) => concerns(rule, about))
  return nonResourceRules.some(({ verbs, nonResourceURLs }) => holds(verbs, verb) && nonResourceURLs.some((url) => covers(url, path)))
}

function isSubject({ kind, user, group, serviceAccount }: PolicyRulesWithSubjects['subjects'][number], asking: UserInfo): boolean {
  if (kind === 'User') return user?.name === '*' || user?.name === asking.username
  if (kind === 'Group') return group?.name === '*' || (group !== undefined && asking.groups.includes(group.name))
  if (!serviceAccount) return false
  const prefix = `system:serviceaccount:${serviceAccount.namespace}:`
  return serviceAccount.name === '*' ? asking.username.startsWith(prefix) : asking.username === prefix + serviceAccount.name
}

function concerns({ verbs, apiGroups, resources, namespaces, clusterScope }: ResourcePolicyRule, about: About): boolean {
  const { verb, group, resource, subresource, namespace } = about
  if (!holds(verbs, verb) || !holds(apiGroups, group)) return false
  if (!holds(resources, subresource ? `${resource}/${subresource}` : resource)) return false
  return namespace === '' ? clusterScope === true : holds(namespaces, namespace)
}

const holds = (list: readonly string[] | null | undefined, one: string): boolean => !!list && (list.includes('*') || list.includes(one))

const covers = (url: string, path: string): boolean => url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1)))
