// How many seats a request takes: lists by how many objects they read, writes by how many watchers they will have to tell.
import type { Registry } from '#server/registry.ts'
import type { RequestInfo } from '#server/http/request-info.ts'

const OBJECTS_PER_SEAT = 100
const WATCHES_PER_SEAT = 10
const MOST_LIST_SEATS = 100
const MOST_SEATS = 10
/** How long the watchers of one write keep its seats. */
export const EVENT_MS = 5

const WRITES = new Set(['create', 'update', 'patch', 'delete'])

/** Of a list or a watch that begins with what is there. `most` bounds what one request of its level may take. */
export function listSeats(registry: Registry, info: RequestInfo, { query, most }: { query: URLSearchParams; most: number }): number {
  if (info.name) return 1
  const cache = registry.find(info.group, info.version, info.resource)?.cache
  if (!cache) return 1
  const initial = info.verb === 'list' || query.get('sendInitialEvents') === 'true' || (query.get('resourceVersion') ?? '0') === '0'
  if (!initial) return 1
  // What is no number is refused when the list is read.
  const limit = Number(query.get('limit') ?? 0)
  const stored = info.namespace ? cache.count(`${cache.prefix}${info.namespace}/`) : cache.size
  const selected = info.labelSelector !== undefined || info.fieldSelector !== undefined
  const objects = limit > 0 && limit < stored ? (selected ? stored : limit) : stored
  return Math.max(1, Math.min(Math.ceil(objects / OBJECTS_PER_SEAT), MOST_LIST_SEATS, most))
}

/** Seats a write keeps for a moment after it was answered; 0: few watch. */
export function watcherSeats(registry: Registry, info: RequestInfo, most: number): number {
  if (!WRITES.has(info.verb)) return 0
  const watchers = registry.find(info.group, info.version, info.resource)?.cache?.subscribers ?? 0
  return watchers < WATCHES_PER_SEAT ? 0 : Math.min(Math.ceil(watchers / WATCHES_PER_SEAT), MOST_SEATS, most)
}
