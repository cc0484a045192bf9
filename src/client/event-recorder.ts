// Events (events.k8s.io/v1 or core) about an object, counted into one when they repeat.
import { EventsEvent } from '#api/kinds/events/event.ts'
import { CoreEvent } from '#api/kinds/core/event.ts'
import type { KubeObject } from '#api/object.ts'
import { hasReason, StatusError } from '#api/status.ts'
import { type Clock, formatMicroTime, formatTime } from '#lib/clock.ts'
import type { Logger } from '#lib/log.ts'
import type { Random } from '#lib/random.ts'
import type { Client } from './client.ts'
import { EventCorrelator } from './event-correlator.ts'
import { EventSeries } from './event-series.ts'

export interface EventOptions {
  action?: string
  related?: KubeObject
  fieldPath?: string
}

export interface EventRecorder {
  /** Never throws and never waits: a lost event must not stop an actor. */
  event(about: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string, options?: EventOptions): void
}

export interface EventRecorderOptions {
  client: Client
  clock: Clock
  random: Random
  log: Logger
  /** `source.component`, or `reportingController` of events.k8s.io. */
  component: string
  /** Where it runs: a node's name for its kubelet, else empty. Who speaks for many nodes knows it of each object. */
  host?: string | ((about: KubeObject) => string)
  /** Core v1 as kubelet and controllers write them (default), or events.k8s.io as the scheduler does. */
  api?: 'core' | 'events.k8s.io'
  signal?: AbortSignal
}

/** Events wait here for the API; what does not fit is lost. */
const QUEUE_LIMIT = 1000
const MAX_MESSAGE = 1024
const ATTEMPTS = 12
const RETRY_MS = 10_000

/** One write: sends it and tells whether it is worth another try by throwing. */
export type EventWrite = () => Promise<void>

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const queue: EventWrite[] = []
  let sending = false

  const send = async () => {
    sending = true
    for (let write = queue.shift(); write; write = queue.shift()) await attempt(write, options)
    sending = false
  }
  const enqueue = (write: EventWrite) => {
    if (options.signal?.aborted || queue.length >= QUEUE_LIMIT) return
    queue.push(write)
    if (!sending) void send()
  }
  const record = options.api === 'events.k8s.io' ? seriesRecorder(options, enqueue) : coreRecorder(options, enqueue)
  return {
    event(about, type, reason, message, eventOptions = {}) {
      try {
        record(about, type, reason, message, eventOptions)
      } catch (error) {
        options.log.error('could not make an event', { reason, error })
      }
    },
  }
}

type Record = (about: KubeObject, type: string, reason: string, message: string, options: EventOptions) => void

function coreRecorder(options: EventRecorderOptions, enqueue: (write: EventWrite) => void): Record {
  const { client, clock, random, component } = options
  const correlator = new EventCorrelator(clock)
  return (about, type, reason, message, { related, fieldPath, action }) => {
    const involvedObject = referenceTo(about, fieldPath)
    const host = hostOf(options, about)
    const now = formatTime(clock.now())
    const event: CoreEvent = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: eventName(about, clock, random), namespace: about.metadata?.namespace || 'default' },
      involvedObject,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      type,
      source: { component, ...(host ? { host } : {}) },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      reportingComponent: component,
      reportingInstance: host,
      ...(action ? { action } : {}),
      ...(related ? { related: referenceTo(related) } : {}),
    }
    const decided = correlator.correlate(event)
    if (!decided) return
    enqueue(async () => {
      const { event: latest, known } = decided
      const key = { namespace: latest.metadata!.namespace!, name: latest.metadata!.name! }
      if (known()) {
        const patch = { count: latest.count, message: latest.message, lastTimestamp: latest.lastTimestamp }
        try {
          decided.stored(await client.patch(CoreEvent, key, { type: 'strategic', patch }))
          return
        } catch (error) {
          if (!hasReason(error, 'NotFound')) throw error
        }
      }
      decided.stored(await client.create(CoreEvent, latest))
    })
  }
}

function seriesRecorder(options: EventRecorderOptions, enqueue: (write: EventWrite) => void): Record {
  const { client, clock, random, component } = options
  const series = new EventSeries({ client, clock, enqueue, ...(options.signal ? { signal: options.signal } : {}) })
  return (about, type, reason, message, { related, fieldPath, action }) => {
    const host = hostOf(options, about)
    const event: EventsEvent = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: eventName(about, clock, random), namespace: about.metadata?.namespace || 'default' },
      eventTime: formatMicroTime(clock.now()),
      reportingController: component,
      reportingInstance: host ? `${component}-${host}` : component,
      action: action ?? reason,
      reason,
      regarding: referenceTo(about, fieldPath),
      note: message.slice(0, MAX_MESSAGE),
      type,
      ...(related ? { related: referenceTo(related) } : {}),
    }
    series.record(event)
  }
}

function hostOf({ host = '' }: EventRecorderOptions, about: KubeObject): string {
  return typeof host === 'string' ? host : host(about)
}

/** Tries again only where the API could not be asked; a refusal is final. */
async function attempt(write: EventWrite, { clock, log, signal }: EventRecorderOptions): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await write()
    } catch (error) {
      const refused = error instanceof StatusError && !hasReason(error, 'ServerTimeout', 'ServiceUnavailable', 'Timeout', 'TooManyRequests')
      if (refused || tries === ATTEMPTS || signal?.aborted) {
        log.debug('lost an event', { error })
        return
      }
      const slept = await clock.sleep(RETRY_MS, signal).then(
        () => true,
        () => false,
      )
      if (!slept) return
    }
  }
}

/** `<object>.<hex nanoseconds>`: distinct even for events of one millisecond. */
function eventName(about: KubeObject, clock: Clock, random: Random): string {
  const nanoseconds = BigInt(Math.floor(clock.now())) * 1_000_000n + BigInt(Math.floor(random.float() * 1e6))
  return `${about.metadata?.name ?? 'unknown'}.${nanoseconds.toString(16)}`
}

function referenceTo({ apiVersion, kind, metadata = {} }: KubeObject, fieldPath?: string) {
  return {
    ...(kind ? { kind } : {}),
    ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
    ...(metadata.name ? { name: metadata.name } : {}),
    ...(metadata.uid ? { uid: metadata.uid } : {}),
    ...(apiVersion ? { apiVersion } : {}),
    ...(metadata.resourceVersion ? { resourceVersion: metadata.resourceVersion } : {}),
    ...(fieldPath ? { fieldPath } : {}),
  }
}
