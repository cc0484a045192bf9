// clusterrole-aggregation-controller: the rules of an aggregated ClusterRole are those of all roles its selectors find.
import type { PolicyRule } from '#api/generated/types.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { keyOf } from '#api/object.ts'
import type { Controller } from '#client/controller.ts'
import { itself, mapped } from '#client/triggers.ts'
import { equal } from '#api/equal.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'

export const clusterRoleAggregationController: Controller = {
  name: 'clusterrole-aggregation-controller',
  triggers: [
    itself(ClusterRole),
    mapped(ClusterRole, (role, informers) => {
      const aggregated = informers
        .of(ClusterRole)
        .list()
        .filter(({ aggregationRule }) => aggregationRule !== undefined)
      return aggregated.filter((one) => takesIn(one, role)).map((one) => keyOf(one))
    }),
  ],
  async reconcile(key, { client, informers }) {
    const roles = informers.of(ClusterRole)
    const role = roles.get(key)
    if (!role?.aggregationRule) return
    const others = roles
      .list()
      .filter(({ metadata }) => metadata?.name !== key.name)
      .sort((a, b) => (a.metadata!.name! < b.metadata!.name! ? -1 : 1))
    const selectors = role.aggregationRule.clusterRoleSelectors ?? []
    const parts = selectors.flatMap((selector) => others.filter(({ metadata }) => selectorMatches(selector, metadata?.labels)))
    const rules: PolicyRule[] = []
    for (const rule of parts.flatMap((part) => part.rules ?? [])) if (!rules.some((one) => equal(one, rule))) rules.push(rule)
    if (equal(rules, role.rules ?? [])) return
    const named = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: key.name } }
    // Without any, those go that were aggregated before; what others wrote there stays, as it was never this controller's.
    const patch: ClusterRole = rules.length > 0 ? { ...named, rules } : named
    await client.patch(ClusterRole, key, { type: 'apply', patch, force: true }, { fieldManager: 'clusterrole-aggregation-controller' })
  },
}

function takesIn({ aggregationRule }: ClusterRole, role: ClusterRole): boolean {
  return (aggregationRule?.clusterRoleSelectors ?? []).some((selector) => selectorMatches(selector, role.metadata?.labels))
}
