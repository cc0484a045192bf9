// Sends objects: as the bytes that are stored where it can, else converted, as a Table, as metadata only, or as YAML.
import { gzip } from 'node:zlib'
import { promisify } from 'node:util'
import type { Kind } from '#api/kind.ts'
import type { KubeObject, ListMeta } from '#api/object.ts'
import { inGoOrder } from '#api/schema/go-order.ts'
import { StatusError } from '#api/status.ts'
import { tableOf } from '#api/table.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { servedBytes, servedObject } from '#server/engine/encoding.ts'
import { LARGE_BYTES } from '#server/decoding/body-reader.ts'
import type { Engine } from '#server/engine/engine.ts'
import { objectApart } from '#server/engine/object-apart.ts'
import type { Resource } from '#server/registry.ts'
import { answer, answerHeaders, type Call } from './call.ts'
import { encode, messageFor } from './encode.ts'
import { aroundItems, type ItemForm } from './list-forms.ts'
import { partApart } from './part-apart.ts'
import { CONTENT_TYPES, type Negotiated } from './negotiate.ts'
import { partialMetadata } from './partial-metadata.ts'
import { SlabPool, SlabWriter } from './slab-writer.ts'
import { isTrue } from './request-info.ts'

const compress = promisify(gzip)
const GZIP_FROM = 128 * 1024
const PACED_FROM = 4 * 1024 * 1024
const LOOPBACK = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1', ''])

export interface Sending {
  engine: Engine
  resource: Resource
  negotiated: Negotiated
  status?: number
}

export async function sendStored(call: Call, stored: StoredObject, sending: Sending): Promise<void> {
  const { resource, negotiated, status = 200, engine } = sending
  if (call.audit?.keeps('RequestResponse')) {
    if (stored.bytes.length < LARGE_BYTES) return sendObject(call, servedObject(resource, stored, engine.mirror.recent), sending)
    await call.audit.largeResponse(
      resource.converts ? servedObject(resource, stored) : await objectApart(engine.bodies, stored, engine.mirror.recent),
    )
  }
  if (negotiated.format === 'json' && !negotiated.as && !wantsPretty(call)) {
    return sendBytes(call, { status, type: CONTENT_TYPES.json, body: servedBytes(resource, stored, { after: '\n' }) })
  }
  if (!negotiated.as && stored.bytes.length >= LARGE_BYTES)
    return sendApart(call, servedBytes(resource, stored), { engine, negotiated, status, definition: resource.kind.schema.name })
  if (negotiated.as && negotiated.as !== 'PartialObjectMetadataList' && stored.bytes.length >= LARGE_BYTES)
    return sendFormApart(call, stored, sending)
  return sendObject(call, servedObject(resource, stored, engine.mirror.recent), sending)
}

/** A Table of a large object, or its metadata. */
async function sendFormApart(call: Call, stored: StoredObject, { engine, resource, negotiated, status = 200 }: Sending): Promise<void> {
  const { as, metaVersion: version, format } = negotiated
  const isTable = as === 'Table'
  const now = engine.clock.now()
  const form: ItemForm = { negotiated, pretty: wantsPretty(call), includeObject: isTable ? includeObjectOf(call) : 'None', now }
  const part = await partApart(engine, resource, { stored, form: isTable ? form : { ...form, alone: true } })
  const message = messageFor(negotiated, undefined)
  const type = CONTENT_TYPES[message || format === 'yaml' ? format : 'json']
  if (!isTable) return sendBytes(call, { status, type, body: part })
  const listMeta = stored.revision > 0 ? { resourceVersion: String(stored.revision) } : {}
  const around = aroundItems(tableOf(resource.kind, [], { now, version, listMeta }), { ...form, message, length: 0 })
  return sendBytes(call, { status, type, body: Buffer.concat([Buffer.from(around.before), part, Buffer.from(around.after)]) })
}

interface SendingApart extends Pick<Sending, 'engine' | 'negotiated' | 'status'> {
  /** Of the object or the list. */
  definition: string | undefined
}

/** JSON of large objects, turned into another form by the thread that reads large bodies. */
export async function sendApart(
  call: Call,
  json: Uint8Array,
  { engine, negotiated, status = 200, definition }: SendingApart,
): Promise<void> {
  const { format } = negotiated
  const job = { read: 'encode', form: { format, pretty: wantsPretty(call), ...(definition ? { definition } : {}) } } as const
  const { bytes } = await engine.bodies.read(job, json)
  return sendBytes(call, {
    status,
    type: CONTENT_TYPES[messageFor(negotiated, definition) || format === 'yaml' ? format : 'json'],
    body: bytes!,
  })
}

/** Any object in the form negotiated; Table and PartialObjectMetadata where the client asked for them. */
export async function sendObject(call: Call, object: KubeObject, { resource, negotiated, status = 200, engine }: Sending): Promise<void> {
  call.audit?.response(object)
  const form = transform(object, { kind: resource.kind, negotiated, call, now: engine.clock.now() })
  return sendBytes(call, {
    status,
    ...encode(form, { format: negotiated.format, pretty: wantsPretty(call), message: messageFor(negotiated, resource.kind.schema.name) }),
  })
}

export async function sendBytes(
  call: Call,
  { status, type, body }: { status: number; type: string; body: Uint8Array | string },
): Promise<void> {
  if (body.length >= PACED_FROM && call.exchange.method !== 'HEAD' && !wantsGzip(call)) return sendPaced(call, { status, type, body })
  if (body.length < GZIP_FROM || !wantsGzip(call)) return answer(call, status, { type, body })
  const zipped = await compress(body, { level: 1 })
  answer(call, status, { type, body: zipped, headers: { 'content-encoding': 'gzip', vary: 'Accept-Encoding' } })
}

/** To encrypt megabytes takes long: others have their turn. */
async function sendPaced(call: Call, { status, type, body }: { status: number; type: string; body: Uint8Array | string }): Promise<void> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.length)
  const target = call.exchange.open(status, { ...answerHeaders(call), 'content-type': type, 'content-length': bytes.length })
  const writer = new SlabWriter(target, new SlabPool())
  await writer.bytes(bytes, 0)
  await writer.finish()
  if (!writer.broken) target.end()
}

function transform(
  object: KubeObject,
  { kind, negotiated, call, now }: { kind: Kind; negotiated: Negotiated; call: Call; now: number },
): unknown {
  const { as, metaVersion } = negotiated
  if (as === 'PartialObjectMetadataList') throw notAcceptableForm(as, `not a list (*${kind.version}.${kind.kind})`)
  if (as === 'Table') {
    const { resourceVersion } = object.metadata ?? {}
    const listMeta: ListMeta = resourceVersion ? { resourceVersion } : {}
    return tableOf(kind, [object], { now, version: metaVersion, listMeta, includeObject: includeObjectOf(call) })
  }
  if (as === 'PartialObjectMetadata') return partialMetadata(object, metaVersion)
  return kind.schema.name ? inGoOrder(object, kind.schema) : object
}

/** An object asked for as a list, or a list as an object. */
export function notAcceptableForm(asked: string, is: string): StatusError {
  return new StatusError('NotAcceptable', `you requested ${asked}, but the requested object is ${is}`)
}

export function includeObjectOf(call: Call): 'None' | 'Metadata' | 'Object' {
  const asked = call.exchange.query.get('includeObject') || 'Metadata'
  if (asked === 'None' || asked === 'Object' || asked === 'Metadata') return asked
  const why = "must be 'Metadata', 'Object', 'None', or empty"
  throw new StatusError('BadRequest', `includeObject: Invalid value: ${JSON.stringify(asked)}: ${why}`)
}

/** As asked, or by default for people: browsers, curl and wget. */
export function wantsPretty({ exchange }: Call): boolean {
  const asked = exchange.url.includes('pretty=') ? exchange.query.get('pretty') : null
  if (asked !== null && asked !== '') return isTrue(asked)
  const agent = exchange.headers['user-agent'] ?? ''
  return agent.startsWith('curl') || agent.startsWith('Wget') || agent.startsWith('Mozilla/5.0')
}

/** Compressing costs more than the wire saves where there is no wire. */
export function wantsGzip({ exchange }: Call): boolean {
  return String(exchange.headers['accept-encoding'] ?? '').includes('gzip') && !LOOPBACK.has(exchange.remoteAddress)
}
