// Whether one rule of a webhook or policy is about a request: operation, group, version, resource and scope. Nothing here looks at an object.
import type { NamedRuleWithOperations } from '#api/generated/types.ts'

export type Rule = NamedRuleWithOperations

/** What rules see of a request, in one of the versions it could have been made in. */
export interface RuleTarget {
  operation: string
  group: string
  version: string
  resource: string
  subresource: string
  scope: 'Namespaced' | 'Cluster'
}

export function ruleMatches(rule: Rule, target: RuleTarget): boolean {
  return (
    (rule.scope === undefined || rule.scope === '*' || rule.scope === target.scope) &&
    includes(rule.operations, target.operation) &&
    includes(rule.apiGroups, target.group) &&
    includes(rule.apiVersions, target.version) &&
    (rule.resources ?? []).some((resource) => resourceMatches(resource, target))
  )
}

/** Without resourceNames every name will do. A name the server is still to generate is no name. */
export function nameMatches({ resourceNames }: Rule, name: string): boolean {
  return !resourceNames?.length || resourceNames.includes(name)
}

function includes(values: readonly string[] | undefined, wanted: string): boolean {
  return values?.some((value) => value === '*' || value === wanted) ?? false
}

/** `pods`, `pods/status`, `pods/*`, `*` (no subresource), any resource with `/scale`, or with anything. */
function resourceMatches(text: string, { resource, subresource }: RuleTarget): boolean {
  const slash = text.indexOf('/')
  const main = slash < 0 ? text : text.slice(0, slash)
  const sub = slash < 0 ? '' : text.slice(slash + 1)
  return (main === '*' || main === resource) && (sub === '*' || sub === subresource)
}
