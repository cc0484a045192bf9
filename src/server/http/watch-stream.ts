// Sends a watch: one shared buffer per event and form for all watchers. A watcher whose backlog passes a bound is cut off; it lists again.
import type { Writable } from 'node:stream'
import { hasReason, type Status, StatusError } from '#api/status.ts'
import { tableOf } from '#api/table.ts'
import { systemClock } from '#lib/clock.ts'
import type { CacheEvent } from '#server/cache/resource-cache.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { versionedHead, servedBytes, servedObject } from '#server/engine/encoding.ts'
import type { Engine } from '#server/engine/engine.ts'
import { type ChangeType, type WatchRequest, type WatchSink, watchObjects } from '#server/engine/watch.ts'
import type { StoredResource } from '#server/registry.ts'
import { decodeInto } from '#api/schema/decode.ts'
import { messageOf } from '#api/codec/protobuf-tables.ts'
import { apiVersionOf, type KubeObject, type ObjectMeta } from '#api/object.ts'
import { encodeObject, encodeWatchFrame } from '#api/codec/protobuf.ts'
import type { Negotiated } from './negotiate.ts'
import { answerHeaders, type Call } from './call.ts'
import { Patience } from './patience.ts'
import { messageFor } from './encode.ts'
import { partialMetadata } from './partial-metadata.ts'
import { includeObjectOf } from './respond.ts'
import { type FanOut, Outbox } from './fan-out.ts'
import { openWatchSocket, watchUpgrade } from './watch-socket.ts'
import { SLAB_BYTES, type SlabPool, SlabWriter } from './slab-writer.ts'

const MIN_TIMEOUT_SECONDS = 1800
/** So many at the start are written at once, if they are small. */
const FEW_EVENTS = 16
/** Changes that may come while the beginning is still being sent. */
const MAX_EARLY_EVENTS = 10_000
const STATUS = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status'
/** An event larger than this is not kept for others to share. */
const SHARED_FRAME_BYTES = 1024 * 1024

export interface WatchStream {
  engine: Engine
  resource: StoredResource
  pool: SlabPool
  fanOut: FanOut
  request: WatchRequest
  negotiated: Negotiated
  timeoutSeconds: number | undefined
}

export async function streamWatch(call: Call, stream: WatchStream): Promise<void> {
  const { engine, resource, pool, fanOut, request, negotiated, timeoutSeconds } = stream
  const ended = Promise.withResolvers<void>()
  let over = false
  const end = () => {
    over = true
    ended.resolve()
  }
  const { signal } = call.exchange
  const form = frameForm(call, { engine, resource, negotiated, fanOut })
  let outbox: Outbox | undefined
  /** What is told before the answer has begun: made into bytes only when sent, for it may be everything there is. */
  const early: Told[] = []
  let earlyLimit = Infinity
  const write = (told: Told) => {
    if (!outbox) {
      early.push(told)
      if (early.length > earlyLimit) end()
    } else if (!over) {
      const frame = frameOf(form, told)
      outbox.add(frame)
      patience.note(outbox, frame.length)
    }
  }
  // Sockets are emptied in real time, whatever time the cluster has.
  using patience = new Patience(systemClock, end)
  const sink: WatchSink = {
    change: (type, stored, event) => write({ type, stored, event }),
    bookmark: (revision, initialEventsEnd) => write({ type: 'BOOKMARK', revision, initialEventsEnd }),
    failed(error) {
      // One that missed something just ends, and is told so when it goes on from where it was.
      if (!hasReason(error, 'Expired')) engine.log.error('watch failed', { path: call.exchange.path, error })
      end()
    },
    end,
  }
  signal.addEventListener('abort', end, { once: true })
  try {
    let watching: Disposable
    try {
      watching = await watchObjects(engine, resource, { request, sink })
    } catch (error) {
      // Too old a version is told inside the watch, as clients expect it.
      if (!(error instanceof StatusError) || error.reason !== 'Expired') throw error
      const opened = await openWatch(call, negotiated)
      return void opened?.end(form.error(error.toStatus()))
    }
    using _watching = watching
    const opened = await openWatch(call, negotiated)
    if (!opened) return
    opened.on('error', end)
    opened.on('close', end)
    earlyLimit = early.length + MAX_EARLY_EVENTS
    let sent = 0
    // More may be told while this is being sent; the last few go out without a pause, and then nothing lies between past and present.
    while (isMuch(early, sent) && !opened.destroyed)
      sent = await sendEarly(opened, early, { sent, form, resource, pool, ended: ended.promise })
    // Broken off in the midst of an event: nothing may follow it.
    if (over) return call.exchange.abort()
    for (const told of early.slice(sent)) opened.write(frameOf(form, told))
    early.length = 0
    const seconds = timeoutSeconds ?? MIN_TIMEOUT_SECONDS * (1 + engine.random.float())
    using _timer = engine.clock.after(seconds * 1000, end)
    outbox = new Outbox(fanOut, opened)
    await ended.promise
    outbox.flush()
    if (!opened.destroyed) opened.end()
  } finally {
    signal.removeEventListener('abort', end)
  }
}

/** Undefined where the client's handshake was refused. */
async function openWatch(call: Call, negotiated: Negotiated): Promise<Writable | undefined> {
  const upgrade = watchUpgrade(call.exchange)
  if (upgrade) return openWatchSocket(call.exchange, upgrade, negotiated.format === 'protobuf' ? 'protobuf' : 'json')
  return call.exchange.open(200, watchHeaders(call, negotiated))
}

type Told =
  | { type: ChangeType; stored: StoredObject; event: CacheEvent | undefined }
  | { type: 'BOOKMARK'; revision: number; initialEventsEnd: boolean }

function frameOf(form: FrameForm, told: Told): Buffer {
  return told.type === 'BOOKMARK' ? form.bookmark(told.revision, told.initialEventsEnd) : form.frame(told.type, told.stored, told.event)
}

function isMuch(early: readonly Told[], from: number): boolean {
  if (early.length - from > FEW_EVENTS) return true
  let bytes = 0
  for (const told of early.slice(from)) if (told.type !== 'BOOKMARK') bytes += told.stored.bytes.length
  return bytes > SLAB_BYTES
}

interface EarlyOptions {
  sent: number
  form: FrameForm
  resource: StoredResource
  pool: SlabPool
  ended: Promise<void>
}

/** The beginning may be any size: it waits for the client, and goes out as lists do. Tells how far it came. */
async function sendEarly(target: Writable, early: readonly Told[], { sent, form, resource, pool, ended }: EarlyOptions): Promise<number> {
  const writer = new SlabWriter(target, pool)
  void ended.then(() => (writer.broken = true))
  const batch = early.slice(sent)
  for (const told of batch) {
    if (writer.broken) break
    if (told.type === 'BOOKMARK' || !form.plain) {
      await writer.bytes(frameOf(form, told), 0)
      continue
    }
    const head = writer.text(`{"type":"${told.type}","object":${versionedHead(resource, told.stored)}`)
    if (head) await head
    const object = writer.bytes(told.stored.bytes, resource.head.length)
    if (object) await object
    const tail = writer.text('}\n')
    if (tail) await tail
  }
  await writer.finish()
  return sent + batch.length
}

interface FrameForm {
  /** Objects go out as the bytes that are stored. */
  readonly plain: boolean
  frame(type: ChangeType, stored: StoredObject, event: CacheEvent | undefined): Buffer
  bookmark(revision: number, initialEventsEnd: boolean): Buffer
  error(status: Status): Buffer
}

function frameForm(
  call: Call,
  { engine, resource, negotiated, fanOut }: Pick<WatchStream, 'engine' | 'resource' | 'negotiated' | 'fanOut'>,
): FrameForm {
  const { kind } = resource
  const { as, metaVersion, format } = negotiated
  const message = messageFor(negotiated, kind.schema.name)
  const apiVersion = apiVersionOf(kind)
  let first = true
  const make = (type: ChangeType, stored: StoredObject): Buffer => {
    const before = `{"type":"${type}","object":`
    if (!as && !message) return servedBytes(resource, stored, { before, after: '}\n', kept: true })
    const object = servedObject(resource, stored, engine.mirror.recent)
    if (message) return encodeWatchFrame(type, encodeObject(as ? partialMetadata(object, metaVersion) : object, message))
    return Buffer.from(`${before}${JSON.stringify(as === 'Table' ? table(object) : partialMetadata(object, metaVersion))}}\n`)
  }
  const includeObject = as === 'Table' ? includeObjectOf(call) : undefined
  const table = (object: ReturnType<typeof servedObject> | undefined, resourceVersion = object?.metadata?.resourceVersion) => {
    const listMeta = resourceVersion ? { resourceVersion } : {}
    return tableOf(kind, object ? [object] : [], {
      now: engine.clock.now(),
      version: metaVersion,
      ...(includeObject ? { includeObject } : {}),
      withColumns: first,
      listMeta,
    })
  }
  const tableFrame = (type: ChangeType, stored: StoredObject, event: CacheEvent | undefined) => {
    // Ages pass: a frame is shared by those who are told now. Only the first of each watcher has columns.
    const key = `${keys[type]} ${includeObject} ${first}`
    const frame = event ? fanOut.shared(event, key, () => make(type, stored)) : make(type, stored)
    first = false
    return frame
  }
  const keyOf = (type: ChangeType) => `${type} ${apiVersion} ${as ?? ''} ${metaVersion} ${format}`
  const keys = { ADDED: keyOf('ADDED'), MODIFIED: keyOf('MODIFIED'), DELETED: keyOf('DELETED') }
  return {
    plain: !as && !message && !resource.converts,
    frame(type, stored, event) {
      if (as === 'Table') return tableFrame(type, stored, event)
      if (!event) return make(type, stored)
      const key = keys[type]
      const known = event.frames?.get(key)
      if (known) return known
      const frame = stored.bytes.length > SHARED_FRAME_BYTES ? fanOut.shared(event, key, () => make(type, stored)) : make(type, stored)
      if (frame.length <= SHARED_FRAME_BYTES) (event.frames ??= new Map()).set(key, frame)
      return frame
    },
    error(status) {
      if (message) return encodeWatchFrame('ERROR', encodeObject(status as KubeObject, messageOf(STATUS)!))
      return Buffer.from(`${JSON.stringify({ type: 'ERROR', object: status })}\n`)
    },
    bookmark(revision, initialEventsEnd) {
      const metadata = {
        resourceVersion: String(revision),
        ...(initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
      }
      const plain = { kind: kind.kind, apiVersion, metadata: metadata as ObjectMeta }
      if (message) return encodeWatchFrame('BOOKMARK', encodeObject(as ? partialMetadata(plain, metaVersion) : plain, message))
      // An object with nothing in it, with what JSON says of such a one.
      if (!as && kind.schema.name) decodeInto(plain, kind.schema)
      const object =
        as === 'Table' ? table(initialEventsEnd ? plain : undefined, String(revision)) : as ? partialMetadata(plain, metaVersion) : plain
      // A bookmark shows nothing: the first rows still come with their columns.
      if (initialEventsEnd) first = false
      return Buffer.from(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
    },
  }
}

function watchHeaders(call: Call, { format }: Negotiated): Record<string, string | string[]> {
  if (format === 'protobuf') return { ...answerHeaders(call), 'content-type': 'application/vnd.kubernetes.protobuf;stream=watch' }
  const type = call.exchange.headers.accept?.includes('stream=watch') ? 'application/json;stream=watch' : 'application/json'
  return { ...answerHeaders(call), 'content-type': type }
}
