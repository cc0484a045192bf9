// Roles and bindings arranged for deciding: by subject, kept up to date change by change. Invariant: equals what a fresh build would hold.
import type { Kind } from '#api/kind.ts'
import type { PolicyRule, RbacSubject, RoleRef } from '#api/generated/types.ts'
import type { KubeObject } from '#api/object.ts'
import { ClusterRole } from '#api/kinds/rbac/cluster-role.ts'
import { ClusterRoleBinding } from '#api/kinds/rbac/cluster-role-binding.ts'
import { Role } from '#api/kinds/rbac/role.ts'
import { RoleBinding } from '#api/kinds/rbac/role-binding.ts'
import type { UserInfo } from '#client/client.ts'
import { Following } from '#server/following.ts'
import type { ObjectChange, ObjectReader } from '#server/request.ts'
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

/** By name of the user and of the group. Service accounts are users. */
interface Grants {
  users: Map<string, Set<Grant>>
  groups: Map<string, Set<Grant>>
}

const noGrants = (): Grants => ({ users: new Map(), groups: new Map() })
const NONE: readonly Grant[] = []

export class RbacIndex implements Disposable {
  #clusterRoles = new Map<string, CompiledRole>()
  /** By `namespace/name`. */
  #roles = new Map<string, CompiledRole>()
  #cluster = noGrants()
  #namespaces = new Map<string, Grants>()
  /** What each binding has put into the maps above, to take it out again. */
  #grantsOf = new Map<string, Grant[]>()
  readonly #followings = new DisposableStack()
  #loading: Following<any>[] = []

  constructor(reader: ObjectReader) {
    this.#follow(reader, ClusterRole, (change, key) => setRole(this.#clusterRoles, key.slice(1), change?.rules))
    this.#follow(reader, Role, (change, key) => setRole(this.#roles, key, change?.rules))
    this.#follow(reader, ClusterRoleBinding, (change, key) => this.#setBinding(key, change))
    this.#follow(reader, RoleBinding, (change, key) => this.#setBinding(key, change))
  }

  /** Reads what there is, in slices. Who asks before that is done has the rest of it read at once. */
  async load(): Promise<void> {
    for (const one of this.#loading) await one.load()
    this.#loading = []
  }

  #whole(): void {
    for (const one of this.#loading) one.whole()
    this.#loading = []
  }

  role(ref: RoleRef, namespace: string): CompiledRole | undefined {
    if (this.#loading.length > 0) this.#whole()
    return ref.kind === 'ClusterRole' ? this.#clusterRoles.get(ref.name) : this.#roles.get(`${namespace}/${ref.name}`)
  }

  /** The first that `fits`. */
  find(user: UserInfo, namespace: string, fits: (grant: Grant) => boolean): Grant | undefined {
    if (this.#loading.length > 0) this.#whole()
    const inNamespace = namespace ? this.#namespaces.get(namespace) : undefined
    return findIn(this.#cluster, user, fits) ?? (inNamespace && findIn(inNamespace, user, fits))
  }

  /** Cluster-wide grants first, then those of the namespace. */
  *grantsFor(user: UserInfo, namespace: string): Generator<Grant> {
    if (this.#loading.length > 0) this.#whole()
    const inNamespace = namespace ? this.#namespaces.get(namespace) : undefined
    for (const grants of inNamespace ? [this.#cluster, inNamespace] : [this.#cluster]) {
      for (const grant of grants.users.get(user.username) ?? NONE) yield grant
      for (const group of user.groups) for (const grant of grants.groups.get(group) ?? NONE) yield grant
    }
  }

  [Symbol.dispose](): void {
    this.#followings.dispose()
  }

  #follow<T extends KubeObject>(reader: ObjectReader, kind: Kind<T>, apply: (object: T | undefined, key: string) => void): void {
    const keyOf = (object: T) => `${object.metadata?.namespace ?? ''}/${object.metadata?.name}`
    const tell = ({ object, previous }: ObjectChange<T>) => apply(object, keyOf((object ?? previous)!))
    this.#loading.push(this.#followings.use(new Following(reader, { kind, tell })))
  }

  #setBinding(key: string, binding: RoleBinding | ClusterRoleBinding | undefined): void {
    const namespace = key.slice(0, key.indexOf('/'))
    const grants = namespace ? (this.#namespaces.get(namespace) ?? noGrants()) : this.#cluster
    for (const grant of this.#grantsOf.get(key) ?? []) {
      const { from, name } = placeOf(grant, grants)
      const same = from.get(name)
      same?.delete(grant)
      if (same?.size === 0) from.delete(name)
    }
    this.#grantsOf.delete(key)
    if (binding) {
      const name = binding.metadata?.name ?? ''
      const spelled = namespace ? `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}` : `ClusterRoleBinding ${JSON.stringify(name)}`
      const added = (binding.subjects ?? []).map((subject) => ({ binding: spelled, roleRef: binding.roleRef, namespace, subject }))
      for (const grant of added) {
        const { from, name: subject } = placeOf(grant, grants)
        const same = from.get(subject)
        if (same) same.add(grant)
        else from.set(subject, new Set([grant]))
      }
      this.#grantsOf.set(key, added)
    }
    if (namespace && grants.users.size + grants.groups.size > 0) this.#namespaces.set(namespace, grants)
    else this.#namespaces.delete(namespace)
  }
}

function findIn({ users, groups }: Grants, user: UserInfo, fits: (grant: Grant) => boolean): Grant | undefined {
  for (const grant of users.get(user.username) ?? NONE) if (fits(grant)) return grant
  for (const group of user.groups) for (const grant of groups.get(group) ?? NONE) if (fits(grant)) return grant
  return undefined
}

function setRole(roles: Map<string, CompiledRole>, key: string, rules: readonly PolicyRule[] | null | undefined): void {
  if (rules === undefined) roles.delete(key)
  else roles.set(key, { rules: rules ?? [], compiled: (rules ?? []).map(compileRule) })
}

/** Where the grant is found, and by what. */
function placeOf({ subject, namespace }: Grant, { users, groups }: Grants): { from: Map<string, Set<Grant>>; name: string } {
  if (subject.kind === 'ServiceAccount')
    return { from: users, name: `system:serviceaccount:${subject.namespace || namespace}:${subject.name}` }
  return { from: subject.kind === 'Group' ? groups : users, name: subject.name }
}
