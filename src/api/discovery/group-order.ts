// Which groups and versions there are among the kinds, in the order clients prefer them.
import { CUSTOM_GROUP_PRIORITY, GROUPS } from '#api/facts/groups.ts'
import type { Kind } from '#api/kind.ts'

export interface VersionOfGroup {
  version: string
  /** In the order of their plural names. */
  kinds: readonly Kind<any>[]
}

export interface Group {
  name: string
  /** The preferred one first. */
  versions: readonly VersionOfGroup[]
}

export function groupsOf(kinds: Iterable<Kind<any>>): Group[] {
  const groups = new Map<string, Map<string, Kind<any>[]>>()
  for (const kind of kinds) {
    const versions = groups.get(kind.group) ?? new Map<string, Kind<any>[]>()
    groups.set(kind.group, versions)
    versions.set(kind.version, [...(versions.get(kind.version) ?? []), kind])
  }
  return [...groups]
    .toSorted(([a], [b]) => priorityOf(b) - priorityOf(a) || compareText(a, b))
    .map(([name, versions]) => ({
      name,
      versions: [...versions]
        .toSorted(([a], [b]) => compareVersions(a, b, GROUPS[name]?.versions))
        .map(([version, members]) => ({ version, kinds: members.toSorted((a, b) => compareText(a.plural, b.plural)) })),
    }))
}

/** Preferred first: by rank where there is one, else v2 before v1 before v1beta2 before v1beta1 before v1alpha1, anything else last. */
export function compareVersions(a: string, b: string, ranks: Readonly<Record<string, number>> = {}): number {
  const [left, right] = [ranks[a] ?? 0, ranks[b] ?? 0]
  if (left !== right) return right - left
  const [x, y] = [parseVersion(a), parseVersion(b)]
  if (!x || !y) return x ? -1 : y ? 1 : compareText(a, b)
  return y.stage - x.stage || y.major - x.major || y.minor - x.minor
}

function parseVersion(version: string): { major: number; stage: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
  if (!match) return undefined
  const stage = match[2] === 'alpha' ? 0 : match[2] === 'beta' ? 1 : 2
  return { major: Number(match[1]), stage, minor: Number(match[3] ?? 0) }
}

const priorityOf = (group: string): number => (Object.hasOwn(GROUPS, group) ? GROUPS[group]!.priority : CUSTOM_GROUP_PRIORITY)
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
