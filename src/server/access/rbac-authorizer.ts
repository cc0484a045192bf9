// Allows what some role bound to the user allows; has no opinion on the rest.
import type { PolicyRule } from '#api/generated/types.ts'
import type { UserInfo } from '#client/client.ts'
import type { LocalAuthorizer, RequestAttributes } from '#server/request.ts'
import { ruleAllows } from './policy-rules.ts'
import type { Grant, RbacIndex } from './rbac-index.ts'

export class RbacAuthorizer implements LocalAuthorizer {
  /** Built when first asked: the objects it is made of are read by then. */
  #index: () => RbacIndex
  /** Said again with every request that is allowed. */
  readonly #reasons = new WeakMap<Grant, string>()

  constructor(index: () => RbacIndex) {
    this.#index = index
  }

  authorize(attributes: RequestAttributes): { allowed: boolean; reason: string } {
    let missing: Set<string> | undefined
    const index = this.#index()
    /** Of one that many bindings grant. */
    let tried: object | undefined
    const found = index.find(attributes.user, attributes.namespace, (grant) => {
      const role = index.role(grant.roleRef, grant.namespace)
      if (!role) (missing ??= new Set()).add(missingRole(grant))
      else if (role !== tried) for (const rule of role.compiled) if (ruleAllows(rule, attributes)) return true
      tried = role
      return false
    })
    if (found) return { allowed: true, reason: this.#reasonOf(found) }
    if (!missing) return { allowed: false, reason: '' }
    return { allowed: false, reason: `RBAC: ${missing.size === 1 ? [...missing][0] : `[${[...missing].join(', ')}]`}` }
  }

  #reasonOf(grant: Grant): string {
    let reason = this.#reasons.get(grant)
    if (reason === undefined) this.#reasons.set(grant, (reason = `RBAC: allowed by ${describe(grant)}`))
    return reason
  }

  /** All rules that apply to the user in the namespace ('' for cluster-wide ones alone). */
  rulesOf(user: UserInfo, namespace: string): PolicyRule[] {
    const rules: PolicyRule[] = []
    const index = this.#index()
    for (const grant of index.grantsFor(user, namespace)) rules.push(...(index.role(grant.roleRef, grant.namespace)?.rules ?? []))
    return rules
  }

  rulesFor(user: UserInfo, namespace: string) {
    const rules = this.rulesOf(user, namespace)
    return {
      resourceRules: rules
        .filter((rule) => rule.resources?.length)
        .map(({ verbs, apiGroups = [], resources = [], resourceNames = [] }) => ({
          verbs,
          apiGroups,
          resources,
          ...(resourceNames.length > 0 ? { resourceNames } : {}),
        })),
      nonResourceRules: rules
        .filter((rule) => rule.nonResourceURLs?.length)
        .map(({ verbs, nonResourceURLs = [] }) => ({ verbs, nonResourceURLs })),
      incomplete: false,
    }
  }
}

function describe({ binding, roleRef, subject }: Grant): string {
  const name = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace}` : subject.name
  return `${binding} of ${roleRef.kind} ${JSON.stringify(roleRef.name)} to ${subject.kind} ${JSON.stringify(name)}`
}

function missingRole({ roleRef }: Grant): string {
  return `${roleRef.kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(roleRef.name)} not found`
}
