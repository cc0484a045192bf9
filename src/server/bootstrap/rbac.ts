// The default roles and bindings as objects. Missing rules and subjects are put back at every start, unless the object says autoupdate=false.
import table from '#server/facts/bootstrap-rbac.json' with { type: 'json' }
import type { PolicyRule, RbacSubject } from '#api/generated/types.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { Role } from '#api/kinds/rbac/role.ts'
import { RoleBinding } from '#api/kinds/rbac/role-binding.ts'
import type { ObjectMeta } from '#api/object.ts'
import { missingRights } from '#server/access/policy-rules.ts'
import { type Desired, reconcileMeta } from './desired.ts'

const GROUP = 'rbac.authorization.k8s.io'
const AUTOUPDATE = 'rbac.authorization.kubernetes.io/autoupdate'
const aggregateTo = (name: string): string => `${GROUP}/aggregate-to-${name}`

interface RoleFacts {
  aggregateTo?: string
  aggregates?: string
  rules?: string[][]
}

const clusterRoles: Record<string, RoleFacts> = table.clusterRoles

/** Rules of one default cluster role; of an aggregated one, all it gathers. */
export function defaultRules(name: string): PolicyRule[] {
  const facts = clusterRoles[name]
  if (!facts?.aggregates) return (facts?.rules ?? []).map(ruleOf)
  const parts = Object.keys(clusterRoles).filter((other) => clusterRoles[other]!.aggregateTo?.split(' ').includes(facts.aggregates!))
  const rules: PolicyRule[] = []
  for (const part of parts.toSorted())
    for (const rule of defaultRules(part)) if (!rules.some((one) => JSON.stringify(one) === JSON.stringify(rule))) rules.push(rule)
  return rules
}

export function defaultRoles(): Desired[] {
  const roles = Object.entries(table.roles).map(([key, rules]) => ({
    kind: Role,
    object: { metadata: metaOf(key), rules: rules.map(ruleOf) },
    reconcile: reconcileRole,
  }))
  return [...Object.entries(clusterRoles).map(([name, facts]) => clusterRole(name, facts)), ...roles]
}

export function defaultBindings(): Desired[] {
  const bindings = (kind: typeof ClusterRoleBinding | typeof RoleBinding, facts: Record<string, { role: string; subjects: string[] }>) =>
    Object.entries(facts).map(([key, { role, subjects }]) => {
      const [refKind = '', name = ''] = role.split('/')
      const roleRef = { apiGroup: GROUP, kind: refKind, name }
      const object = { metadata: metaOf(key), roleRef, subjects: subjects.map(subjectOf) }
      return { kind, object, reconcile: reconcileBinding, isReplaced: bindsAnother }
    })
  return [...bindings(ClusterRoleBinding, table.clusterRoleBindings), ...bindings(RoleBinding, table.roleBindings)]
}

function clusterRole(name: string, facts: RoleFacts): Desired<ClusterRole> {
  const metadata = metaOf(name)
  for (const target of facts.aggregateTo?.split(' ') ?? []) metadata.labels![aggregateTo(target)] = 'true'
  const object: ClusterRole = { metadata, rules: defaultRules(name) }
  if (!facts.aggregates) return { kind: ClusterRole, object, reconcile: reconcileRole }
  object.aggregationRule = { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(facts.aggregates)]: 'true' } }] }
  // Its rules are what the aggregation controller makes of all roles; here only so that they hold from the first moment.
  return {
    kind: ClusterRole,
    object,
    reconcile(present) {
      if (!mayUpdate(present)) return
      reconcileMeta(present, object)
      present.aggregationRule ??= object.aggregationRule!
    },
  }
}

function reconcileRole(present: Role, object: Role): void {
  if (!mayUpdate(present)) return
  reconcileMeta(present, object)
  const missing = (object.rules ?? []).filter((rule) => missingRights(present.rules ?? [], [rule]).length > 0)
  if (missing.length > 0) present.rules = [...(present.rules ?? []), ...missing]
}

function reconcileBinding(present: RoleBinding, object: RoleBinding): void {
  if (!mayUpdate(present)) return
  reconcileMeta(present, object)
  const missing = (object.subjects ?? []).filter((subject) => !present.subjects?.some((one) => sameSubject(one, subject)))
  if (missing.length > 0) present.subjects = [...(present.subjects ?? []), ...missing]
}

/** Whom a binding binds to cannot be changed in place. */
function bindsAnother(present: RoleBinding, object: RoleBinding): boolean {
  const [a, b] = [present.roleRef, object.roleRef]
  return mayUpdate(present) && (a?.kind !== b?.kind || a?.name !== b?.name)
}

const mayUpdate = (object: Role | RoleBinding): boolean => object.metadata?.annotations?.[AUTOUPDATE] !== 'false'

const sameSubject = (a: RbacSubject, b: RbacSubject): boolean =>
  a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '')

function metaOf(key: string): ObjectMeta & { labels: Record<string, string> } {
  // Cluster roles may hold a slash nowhere; keys of namespaced ones are namespace/name.
  const slash = key.indexOf('/')
  const place = slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
  return { ...place, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' }, annotations: { [AUTOUPDATE]: 'true' } }
}

/** `[verbs, groups, resources, names?]` or `[verbs, paths]`; groups apart by commas, the rest by spaces. */
function ruleOf([verbs = '', groupsOrPaths = '', resources, names]: string[]): PolicyRule {
  if (resources === undefined) return { verbs: verbs.split(' '), nonResourceURLs: groupsOrPaths.split(' ') }
  const rule: PolicyRule = { verbs: verbs.split(' '), apiGroups: groupsOrPaths.split(','), resources: resources.split(' ') }
  if (names) rule.resourceNames = names.split(' ')
  return rule
}

function subjectOf(text: string): RbacSubject {
  const [, kind = '', namespace, name = ''] = /^(\S+) (?:([^/]+)\/)?(.+)$/.exec(text) ?? []
  return namespace === undefined ? { apiGroup: GROUP, kind, name } : { kind, name, namespace }
}
