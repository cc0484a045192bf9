// Roles and bindings arranged for deciding: by subject, kept up to date change by change. Invariant: equals what a fresh build would hold.
import type { Kind } from '#api/kind.ts'
import type { PolicyRule, RbacSubject, RoleRef } from '#api/generated/types.ts'
import type { KubeObject } from '#api/object.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { Role } from '#api/kinds/rbac/role.ts'
import { RoleBinding } from '#api/kinds/rbac/role-binding.ts'
import type { UserInfo } from '#client/client.ts'
import type { ObjectReader } from '#server/request.ts'
import { type CompiledRule, compileRule } from './policy-rules.ts'

export interface CompiledRole {
  rules: readonly PolicyRule[]
  compiled: readonly CompiledRule[]
}

export interface Grant {
  /** `RoleBinding "x/ns"`: how reasons name it. */
  binding: string
  roleRef: RoleRef
  /** Of the binding; empty for cluster role bindings. */
  namespace: string
  subject: RbacSubject
}

type Grants = Map<string, Set<Grant>>

export class RbacIndex implements Disposable {
  #roles = new Map<string, CompiledRole>()
  #cluster: Grants = new Map()
  #namespaces = new Map<string, Grants>()
  /** What each binding has put into the maps above, to take it out again. */
  #grantsOf = new Map<string, Grant[]>()
  #subscriptions = new DisposableStack()

  constructor(reader: ObjectReader) {
    this.#follow(reader, ClusterRole, (change, key) => this.#setRole(key, change?.rules))
    this.#follow(reader, Role, (change, key) => this.#setRole(key, change?.rules))
    this.#follow(reader, ClusterRoleBinding, (change, key) => this.#setBinding(key, change))
    this.#follow(reader, RoleBinding, (change, key) => this.#setBinding(key, change))
  }

  role(ref: RoleRef, namespace: string): CompiledRole | undefined {
    return this.#roles.get(ref.kind === 'ClusterRole' ? `/${ref.name}` : `${namespace}/${ref.name}`)
  }

  /** Cluster-wide grants first, then those of the namespace. */
  *grantsFor(user: UserInfo, namespace: string): Generator<Grant> {
    const inNamespace = namespace ? this.#namespaces.get(namespace) : undefined
    for (const grants of inNamespace ? [this.#cluster, inNamespace] : [this.#cluster]) {
      yield* grants.get(`user ${user.username}`) ?? []
      for (const group of user.groups) yield* grants.get(`group ${group}`) ?? []
    }
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose()
  }

  #follow<T extends KubeObject>(reader: ObjectReader, kind: Kind<T>, apply: (object: T | undefined, key: string) => void): void {
    const keyOf = (object: T) => `${object.metadata?.namespace ?? ''}/${object.metadata?.name}`
    for (const object of reader.list(kind)) apply(object, keyOf(object))
    this.#subscriptions.use(reader.onChange(kind, ({ object, previous }) => apply(object, keyOf((object ?? previous)!))))
  }

  #setRole(key: string, rules: readonly PolicyRule[] | null | undefined): void {
    if (rules === undefined) this.#roles.delete(key)
    else this.#roles.set(key, { rules: rules ?? [], compiled: (rules ?? []).map(compileRule) })
  }

  #setBinding(key: string, binding: RoleBinding | ClusterRoleBinding | undefined): void {
    const namespace = key.slice(0, key.indexOf('/'))
    const grants = namespace ? (this.#namespaces.get(namespace) ?? new Map()) : this.#cluster
    for (const grant of this.#grantsOf.get(key) ?? []) {
      const subject = subjectKey(grant.subject, namespace)
      const same = grants.get(subject)
      same?.delete(grant)
      if (same?.size === 0) grants.delete(subject)
    }
    this.#grantsOf.delete(key)
    if (binding) {
      const name = binding.metadata?.name ?? ''
      const spelled = namespace ? `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}` : `ClusterRoleBinding ${JSON.stringify(name)}`
      const added = (binding.subjects ?? []).map((subject) => ({ binding: spelled, roleRef: binding.roleRef, namespace, subject }))
      for (const grant of added) {
        const subject = subjectKey(grant.subject, namespace)
        const same = grants.get(subject)
        if (same) same.add(grant)
        else grants.set(subject, new Set([grant]))
      }
      this.#grantsOf.set(key, added)
    }
    if (namespace && grants.size > 0) this.#namespaces.set(namespace, grants)
    else this.#namespaces.delete(namespace)
  }
}

function subjectKey(subject: RbacSubject, bindingNamespace: string): string {
  if (subject.kind === 'ServiceAccount') return `user system:serviceaccount:${subject.namespace || bindingNamespace}:${subject.name}`
  return `${subject.kind === 'Group' ? 'group' : 'user'} ${subject.name}`
}
