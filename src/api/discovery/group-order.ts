// Which groups and versions there are among the kinds, in the order clients prefer them.
import { groupPriority, GROUPS } from '#api/facts/groups.ts'
import type { Kind } from '#api/kind.ts'
import { compareTexts } from '#lib/order.ts'

export interface VersionOfGroup {
  version: string
  /** In the order of their plural names. */
  kinds: readonly Kind<any>[]
  /** Another server serves it, and says so itself. */
  remote?: RemoteVersion
}

export interface RemoteVersion {
  /** As aggregated discovery tells them. */
  resources: readonly object[]
  /** What it last said may no longer hold. */
  stale: boolean
}

/** What others than the kinds have to say about groups. */
export interface GroupOrder {
  /** By group and version, as in `apps/v1`. */
  remote?: ReadonlyMap<string, { group: string; version: string } & RemoteVersion>
  priorityOf?(group: string, version: string): { group: number; version: number } | undefined
}

export interface Group {
  name: string
  /** The preferred one first. */
  versions: readonly VersionOfGroup[]
}

export function groupsOf(kinds: Iterable<Kind<any>>, { remote = new Map(), priorityOf }: GroupOrder = {}): Group[] {
  const groups = new Map<string, Map<string, VersionOfGroup>>()
  const add = (name: string, version: VersionOfGroup) => {
    const versions = groups.get(name) ?? new Map<string, VersionOfGroup>()
    groups.set(name, versions)
    versions.set(version.version, version)
  }
  for (const [name, members] of Map.groupBy(kinds, ({ group, version }) => `${group}/${version}`)) {
    const { group, version } = members[0]!
    if (!remote.has(name)) add(group, { version, kinds: members.toSorted((a, b) => compareTexts(a.plural, b.plural)) })
  }
  for (const { group, version, ...told } of remote.values()) add(group, { version, kinds: [], remote: told })
  const priority = new Map<string, number>()
  for (const [name, versions] of groups)
    priority.set(name, Math.max(...[...versions.keys()].map((version) => priorityOf?.(name, version)?.group ?? groupPriority(name))))
  return [...groups]
    .toSorted(([a], [b]) => priority.get(b)! - priority.get(a)! || compareTexts(a, b))
    .map(([name, versions]) => {
      const known = Object.hasOwn(GROUPS, name) ? GROUPS[name]!.versions : undefined
      const ranks = Object.fromEntries(
        [...versions.keys()].map((version) => [version, priorityOf?.(name, version)?.version ?? rankOf(known, version)]),
      )
      return { name, versions: [...versions.values()].toSorted((a, b) => compareVersions(a.version, b.version, ranks)) }
    })
}

/** Preferred first: by rank where there is one, else v2 before v1 before v1beta2 before v1beta1 before v1alpha1, anything else last. */
export function compareVersions(a: string, b: string, ranks: Readonly<Record<string, number>> = {}): number {
  const [left, right] = [ranks[a] ?? 0, ranks[b] ?? 0]
  if (left !== right) return right - left
  const [x, y] = [parseVersion(a), parseVersion(b)]
  if (!x || !y) return x ? -1 : y ? 1 : compareTexts(a, b)
  return y.stage - x.stage || y.major - x.major || y.minor - x.minor
}

function parseVersion(version: string): { major: number; stage: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
  if (!match) return undefined
  const stage = match[2] === 'alpha' ? 0 : match[2] === 'beta' ? 1 : 2
  return { major: Number(match[1]), stage, minor: Number(match[3] ?? 0) }
}

const rankOf = (ranks: Readonly<Record<string, number>> = {}, version: string): number =>
  Object.hasOwn(ranks, version) ? ranks[version]! : 0
