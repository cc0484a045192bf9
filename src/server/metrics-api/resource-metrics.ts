// What a kubelet says at /metrics/resource, and what two such answers make of usage: CPU is counted in seconds, so a rate needs two of them.
import type { NodeReading, PodReading } from './reading.ts'

interface Point {
  timestamp: number
  cpuSeconds: number
  memoryBytes: number
  /** When the container began, where it is said. */
  startedAt?: number
}

export interface Scrape {
  node: Point | undefined
  /** By `namespace/name`, then by container. */
  pods: Map<string, Map<string, Point>>
}

const SAMPLE = /^([a-z_]+)(?:\{([^}]*)\})? (\S+)(?: (\d+))?$/
const LABEL = /([a-z]+)="([^"\\]*)"/g
const CPU = 'cpu_usage_seconds_total'
const MEMORY = 'memory_working_set_bytes'
/** A container younger than a whole window is measured from its beginning, if it is at least this old. */
const FRESH_MS = 10_000
const LONGEST_FRESH_MS = 30_000

/** Lines that are something else are passed over; samples without a time are of `now`. */
export function parseResourceMetrics(text: string, now: number): Scrape {
  const scrape: Scrape = { node: undefined, pods: new Map() }
  for (const line of text.split('\n')) {
    const [, name = '', labelText = '', value = '', time] = SAMPLE.exec(line) ?? []
    const number = Number(value)
    if (name === '' || !Number.isFinite(number)) continue
    const timestamp = time === undefined ? now : Number(time)
    if (name.startsWith('node_')) note((scrape.node ??= blank(timestamp)), name.slice('node_'.length), { number, timestamp })
    if (!name.startsWith('container_')) continue
    const labels = new Map([...labelText.matchAll(LABEL)].map(([, key = '', label = '']) => [key, label]))
    const pod = `${labels.get('namespace')}/${labels.get('pod')}`
    const containers = scrape.pods.get(pod) ?? new Map<string, Point>()
    scrape.pods.set(pod, containers)
    const container = labels.get('container') ?? ''
    const point = containers.get(container) ?? blank(timestamp)
    containers.set(container, point)
    note(point, name.slice('container_'.length), { number, timestamp })
  }
  return scrape
}

function blank(timestamp: number): Point {
  return { timestamp, cpuSeconds: 0, memoryBytes: 0 }
}

function note(point: Point, name: string, { number, timestamp }: { number: number; timestamp: number }): void {
  if (name === CPU) Object.assign(point, { cpuSeconds: number, timestamp })
  else if (name === MEMORY) point.memoryBytes = number
  else if (name === 'start_time_seconds') point.startedAt = number * 1000
}

export function nodeReading({ node: last }: Scrape, { node: before }: Scrape): NodeReading | undefined {
  return last && before && between(last, before)
}

/** undefined as long as one of its containers cannot be told. */
export function podReading(pod: string, last: Scrape, before: Scrape | undefined): PodReading | undefined {
  const readings: (NodeReading & { name: string })[] = []
  for (const [name, point] of last.pods.get(pod) ?? []) {
    const reading = between(point, baseOf(point, before?.pods.get(pod)?.get(name)))
    if (!reading) return undefined
    readings.push({ name, ...reading })
  }
  const [first] = readings
  if (!first) return undefined
  const earliest = readings.reduce((a, b) => (b.timestamp < a.timestamp ? b : a), first)
  return {
    timestamp: earliest.timestamp,
    windowMs: earliest.windowMs,
    containers: readings.map(({ name, cpuNanoCores, memoryBytes }) => ({ name, cpuNanoCores, memoryBytes })),
  }
}

function baseOf(last: Point, before: Point | undefined): Point | undefined {
  // Counting from zero again means that it was restarted since.
  if (before && before.cpuSeconds <= last.cpuSeconds) return before
  const age = last.startedAt === undefined ? 0 : last.timestamp - last.startedAt
  return age >= FRESH_MS && age <= LONGEST_FRESH_MS ? { timestamp: last.startedAt!, cpuSeconds: 0, memoryBytes: 0 } : undefined
}

function between(last: Point, before: Point | undefined): NodeReading | undefined {
  if (!before || last.timestamp <= before.timestamp || last.cpuSeconds < before.cpuSeconds) return undefined
  const windowMs = last.timestamp - before.timestamp
  const cpuNanoCores = Math.ceil(((last.cpuSeconds - before.cpuSeconds) / windowMs) * 1e12)
  return { timestamp: last.timestamp, windowMs, cpuNanoCores, memoryBytes: last.memoryBytes }
}
