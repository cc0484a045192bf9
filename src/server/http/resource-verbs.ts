// The verbs of stored resources over HTTP: parameters and bodies in, engine, answers out.
import { messageOfSchema } from '#api/codec/protobuf.ts'
import { CONVERTING, warningsIn } from '#api/codec/yaml.ts'
import { isObject } from '#api/clone.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { listDefinitionOf } from '#api/openapi/definition-names.ts'
import { goKind } from '#api/patch/json-patch.ts'
import type { PatchBody } from '#api/patch/patch.ts'
import { StatusError } from '#api/status.ts'
import type { Writable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { MOST_TEXT_BYTES } from '#server/audit/audit-record.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { MAX_OBJECT_BYTES, textOf } from '#server/engine/text-of.ts'
import { applyObject } from '#server/engine/apply.ts'
import { createObject } from '#server/engine/create.ts'
import { deletedStatus } from '#server/engine/deleted-status.ts'
import { deleteCollection } from '#server/engine/delete-collection.ts'
import { deleteObject, returnsDeleted } from '#server/engine/delete.ts'
import { servedObject } from '#server/engine/encoding.ts'
import type { Outcome } from '#server/decoding/jobs.ts'
import { type Engine, LARGE_OBJECT_BYTES, type Write, type Written } from '#server/engine/engine.ts'
import { getObject, type Listing, listObjects, type ListRequest } from '#server/engine/list.ts'
import { patchStored } from '#server/engine/patch.ts'
import { checkNames, updateObject } from '#server/engine/update.ts'
import { clone } from '#api/clone.ts'
import { parseExactly } from '#lib/exact-json.ts'
import type { StoredResource } from '#server/registry.ts'
import { attributesOf } from './authorization.ts'
import { readBody } from './body.ts'
import { annotateOf, answerHeaders, type Call } from './call.ts'
import { deleteOptionsOf, readDeleteOptions } from './delete-options.ts'
import { smallList, streamList } from './list-stream.ts'
import { streamForm } from './form-stream.ts'
import type { FanOut } from './fan-out.ts'
import { SLAB_BYTES, type SlabPool } from './slab-writer.ts'
import { CONTENT_TYPES, negotiate, type Negotiated } from './negotiate.ts'
import { flag, integer, optionsOf, type WriteParameters, writeParameters } from './parameters.ts'
import { contentType, readObject, unsupportedMediaType } from './read-object.ts'
import { answerStatus } from './recover.ts'
import { encode, messageFor } from './encode.ts'
import { includeObjectOf, notAcceptableForm, sendBytes, sendStored, wantsGzip, wantsPretty } from './respond.ts'
import { type DocumentOptions, listDocument } from './list-document.ts'
import { streamWatch } from './watch-stream.ts'

export interface Served {
  engine: Engine
  resource: StoredResource
  pool: SlabPool
  fanOut: FanOut
}

const TEXT_FORMATS = ['json', 'yaml'] as const
const ALL_FORMATS = ['json', 'yaml', 'protobuf'] as const

export type VerbHandler = (call: Call, served: Served) => Promise<void>

export const resourceVerbs: Readonly<Record<string, VerbHandler>> = {
  async get(call, { engine, resource }) {
    const negotiated = negotiateObject(call)
    const resourceVersion = call.exchange.url.includes('resourceVersion=') ? (call.exchange.query.get('resourceVersion') ?? '') : ''
    await sendStored(call, await getObject(engine, resource, { ...keyOf(call), resourceVersion }), { engine, resource, negotiated })
  },

  async list(call, { engine, resource, pool }) {
    const negotiated = negotiateObject(call)
    const listing = await listObjects(engine, resource, listRequest(call))
    await sendList(call, listing, { engine, resource, pool, negotiated })
  },

  async watch(call, { engine, resource, pool, fanOut }) {
    const { query } = call.exchange
    const negotiated = negotiateObject(call)
    if (negotiated.format === 'yaml')
      throw new StatusError('NotAcceptable', 'only the following media types are accepted: application/json')
    await streamWatch(call, {
      engine,
      resource,
      pool,
      fanOut,
      negotiated,
      timeoutSeconds: integer(query, 'timeoutSeconds') || undefined,
      request: {
        ...listRequest(call),
        allowWatchBookmarks: flag(query, 'allowWatchBookmarks') ?? false,
      },
    })
  },

  async create(call, { engine, resource }) {
    const negotiated = negotiateObject(call)
    const parameters = writeParameters(call, 'CreateOptions')
    const object = await readObject(engine, call, { kind: resource.kind, fieldValidation: parameters.fieldValidation })
    const { stored } = await createObject(engine, writeOf(call, { resource, parameters }), object)
    await sendStored(call, stored, { engine, resource, negotiated, status: 201 })
  },

  async update(call, { engine, resource }) {
    const negotiated = negotiateObject(call)
    const parameters = writeParameters(call, 'UpdateOptions')
    const sent = await readObject(engine, call, { kind: resource.kind, fieldValidation: parameters.fieldValidation })
    const write = writeOf(call, { resource, parameters })
    const key = keyOf(call)
    checkNames(write, key, sent)
    let first = true
    const build = () => {
      // A retry needs what was sent untouched.
      const own = first ? sent : Buffer.isBuffer(pristine) ? (parseExactly(pristine.toString()) as KubeObject) : clone(pristine)
      first = false
      return own
    }
    const pristine = call.large ? await textOf(sent, MAX_OBJECT_BYTES) : clone(sent)
    const create = resource.kind.createOnUpdate === true && !call.info.subresource
    const written = await updateObject(engine, write, { key, change: { build, create, replaces: true } })
    await sendWritten(call, written, { engine, resource, negotiated })
  },

  async patch(call, { engine, resource }) {
    const negotiated = negotiateObject(call)
    const parameters = writeParameters(call, 'PatchOptions')
    const key = keyOf(call)
    const { fieldValidation } = parameters
    const body = await readPatch(call, engine, { custom: resource.kind.schema.name === undefined })
    const write = writeOf(call, { resource, parameters })
    if (body.type !== 'apply' && flag(call.exchange.query, 'force') !== undefined) throw forbiddenForce()
    const written =
      body.type === 'apply'
        ? await applyObject(engine, applyWrite(call, write), {
            key,
            patch: readApply(body.outcome, parameters, call),
            force: flag(call.exchange.query, 'force') ?? false,
            fieldValidation,
          })
        : await patchStored(engine, write, { key, patch: body.patch, fieldValidation })
    await sendWritten(call, written, { engine, resource, negotiated })
  },

  async delete(call, { engine, resource }) {
    const negotiated = negotiateObject(call)
    const { dryRun, ...options } = await readDeleteOptions(call, engine)
    const write = writeOf(call, {
      resource,
      parameters: { dryRun, fieldManager: '', fieldValidation: 'Ignore' },
      options: deleteOptionsOf(dryRun, options),
    })
    const { stored, gone } = await deleteObject(engine, write, { key: keyOf(call), options })
    if (gone && !returnsDeleted(resource.kind)) return answerStatus(call, deletedStatus(resource.kind, servedObject(resource, stored)))
    await sendStored(call, stored, { engine, resource, negotiated })
  },

  async deletecollection(call, { engine, resource, pool }) {
    const negotiated = negotiateObject(call)
    const request = listRequest(call)
    const { dryRun, ...options } = await readDeleteOptions(call, engine)
    const write = writeOf(call, {
      resource,
      parameters: { dryRun, fieldManager: '', fieldValidation: 'Ignore' },
      options: deleteOptionsOf(dryRun, options),
    })
    const listing = await deleteCollection(engine, write, { request, options })
    await sendList(call, listing, { engine, resource, pool, negotiated })
  },
}

export function keyOf({ info }: Call): ObjectKey {
  // `/namespaces/NAME` is in the namespace NAME as far as authorisation goes; its key is the name alone.
  return info.namespace && info.resource !== 'namespaces' ? { namespace: info.namespace, name: info.name } : { name: info.name }
}

export function negotiateObject({ exchange, resource }: Call, { transforms = true } = {}): Negotiated {
  const { accept } = exchange.headers
  if (!accept || accept === 'application/json') return negotiate(accept)
  return negotiate(accept, { transforms, formats: resource && messageOfSchema(resource.kind.schema) ? ALL_FORMATS : TEXT_FORMATS })
}

const WRITE_OPTIONS: Record<string, string> = { create: 'CreateOptions', patch: 'PatchOptions' }

interface WriteSource {
  resource: StoredResource
  parameters: WriteParameters
  options?: Readonly<Record<string, unknown>>
}

export function writeOf(
  call: Call,
  { resource, parameters, options = optionsOf(WRITE_OPTIONS[call.info.verb] ?? 'UpdateOptions', parameters) }: WriteSource,
): Write {
  const { dryRun, fieldManager } = parameters
  return {
    resource,
    attributes: attributesOf(call),
    dryRun,
    fieldManager,
    options,
    warn: (text) => call.warnings.add(text),
    annotate: annotateOf(call),
    ...(call.within ? { within: call.within } : {}),
    ...(call.large ? { large: true } : {}),
  }
}

/** Apply insists on a manager that was named. */
export function applyWrite(call: Call, write: Write): Write {
  return { ...write, fieldManager: call.exchange.query.get('fieldManager') ?? '' }
}

function listRequest({ info, exchange }: Call): ListRequest {
  const { query } = exchange
  // Refused when malformed, though only a watch has use for it.
  integer(query, 'timeoutSeconds')
  return {
    namespace: info.namespace || undefined,
    labelSelector: info.labelSelector,
    fieldSelector: info.fieldSelector,
    name: info.fieldSelector ? undefined : info.name || undefined,
    resourceVersion: query.get('resourceVersion') ?? undefined,
    resourceVersionMatch: query.get('resourceVersionMatch') ?? undefined,
    limit: integer(query, 'limit'),
    continue: query.get('continue') ?? undefined,
    sendInitialEvents: flag(query, 'sendInitialEvents'),
  }
}

const PATCH_TYPES =
  'application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml'

const CUSTOM_PATCH_TYPES = 'application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml'

export type ReadPatch = { type: 'apply'; outcome: Outcome } | { type: 'plain'; patch: PatchBody }

/** Custom resources know no strategic merge: their schemas do not say how. */
export async function readPatch(call: Call, engine: Engine, { custom = false } = {}): Promise<ReadPatch> {
  const type = contentType(call)
  const kind = {
    'application/json-patch+json': 'json',
    'application/merge-patch+json': 'merge',
    'application/strategic-merge-patch+json': 'strategic',
  } as const
  const known = Object.hasOwn(kind, type) ? kind[type as keyof typeof kind] : undefined
  if (custom && known === 'strategic') throw unsupportedMediaType(CUSTOM_PATCH_TYPES)
  if (!known && type !== 'application/apply-patch+yaml') throw unsupportedMediaType(custom ? CUSTOM_PATCH_TYPES : PATCH_TYPES)
  const bytes = await readBody(call, engine)
  call.large = bytes.length >= LARGE_OBJECT_BYTES
  if (!call.large) await engine.bodies.gathering.join()
  if (!known) {
    const outcome = await engine.bodies.read({ read: 'yaml' }, bytes)
    if (!outcome.fault) await auditPatch(call, outcome.value)
    return { type: 'apply', outcome }
  }
  const complain = call.exchange.query.get('fieldValidation') !== 'Ignore'
  const { value: patch, numerals, complaints, fault } = await engine.bodies.read({ read: 'patch', type: known, complain }, bytes)
  if (fault) throw new StatusError('BadRequest', fault.message)
  await auditPatch(call, patch)
  return { type: 'plain', patch: { type: known, patch, ...(numerals ? { numerals } : {}), ...(complain ? { complaints } : {}) } }
}

async function auditPatch({ audit, large }: Call, patch: unknown): Promise<void> {
  if (audit) await (large ? audit.largePatch(patch) : audit.patch(patch))
}

export function readApply({ value, complaints, fault }: Outcome, { fieldValidation }: WriteParameters, call: Call): KubeObject {
  const refuse = (why: string, how = 'error decoding YAML') => new StatusError('BadRequest', `${how}: ${why}`)
  if (fault) throw refuse(CONVERTING + fault.message)
  for (const duplicates of complaints) {
    if (fieldValidation === 'Strict') throw refuse(CONVERTING + duplicates, 'error strict decoding YAML')
    if (fieldValidation === 'Warn') for (const warning of warningsIn(CONVERTING + duplicates)) call.warnings.add(warning)
  }
  if (isObject(value)) return value as KubeObject
  const why = `json: cannot unmarshal ${goKind(value)} into Go value of type map[string]interface {}`
  throw refuse(`error unmarshaling JSON: while decoding JSON: ${why}`)
}

export function forbiddenForce(): StatusError {
  const message = 'Forbidden: may not be specified for non-apply patch'
  return new StatusError('Invalid', `PatchOptions.meta.k8s.io "" is invalid: force: ${message}`, {
    details: { group: 'meta.k8s.io', kind: 'PatchOptions', causes: [{ reason: 'FieldValueForbidden', message, field: 'force' }] },
  })
}

async function sendWritten(
  call: Call,
  { stored, created }: Written,
  { engine, resource, negotiated }: { engine: Engine; resource: StoredResource; negotiated: Negotiated },
): Promise<void> {
  await sendStored(call, stored, { engine, resource, negotiated, status: created ? 201 : 200 })
}

async function sendList(
  call: Call,
  listed: Listing,
  { engine, resource, pool, negotiated }: Omit<Served, 'fanOut'> & { negotiated: Negotiated },
): Promise<void> {
  const { kind } = resource
  const { as, format } = negotiated
  const listing = as === 'Table' && kind.tableOrder ? inOrder(listed, kind.tableOrder) : listed
  const pretty = wantsPretty(call)
  const stored = format === 'json' && !as && !pretty
  if (call.audit?.keeps('RequestResponse')) await auditList(call, listing, { engine, resource, negotiated })
  const small = stored ? smallList(resource, listing) : undefined
  if (small) return sendBytes(call, { status: 200, type: CONTENT_TYPES.json, body: small })
  const message = messageFor(negotiated, listDefinitionOf(kind))
  if (!stored && isBrief(listing)) {
    const document = await listDocument(call, listing, { engine, resource, negotiated })
    return sendBytes(call, { status: 200, ...encode(document, { format, pretty, message }) })
  }
  if (as === 'PartialObjectMetadata') throw notAcceptableForm(as, `a list (*${kind.version}.${kind.listKind})`)
  const form = { negotiated, pretty, includeObject: as === 'Table' ? includeObjectOf(call) : ('None' as const), now: engine.clock.now() }
  const target = openList(call, CONTENT_TYPES[message || format === 'yaml' ? format : 'json'])
  await (stored ? streamList(target, { resource, listing, pool }) : streamForm(target, { engine, resource, listing, form, pool }))
}

/** For kinds of which there are few. */
function inOrder(listing: Listing, order: (one: any, other: any) => number): Listing {
  const read = listing.items.map((stored) => ({ stored, object: stored.glance() }))
  return { ...listing, items: read.sort((one, other) => order(one.object, other.object)).map(({ stored }) => stored) }
}

/** So little that it is made and sent at once. */
const isBrief = ({ items }: Listing): boolean => isWithin(items, SLAB_BYTES)

function isWithin(items: readonly StoredObject[], most: number): boolean {
  let bytes = 0
  for (const stored of items) if ((bytes += stored.bytes.length) > most) return false
  return true
}

/** As it is answered. */
async function auditList(call: Call, listing: Listing, options: DocumentOptions): Promise<void> {
  const { audit } = call
  if (!audit) return
  if (!isWithin(listing.items, MOST_TEXT_BYTES)) return audit.leaveOut()
  await audit.largeResponse((await listDocument(call, listing, options)) as KubeObject)
}

function openList(call: Call, type: string): Writable {
  const zip = wantsGzip(call)
  const headers = { ...answerHeaders(call), 'content-type': type, ...(zip ? { 'content-encoding': 'gzip', vary: 'Accept-Encoding' } : {}) }
  const target = call.exchange.open(200, headers)
  if (!zip) return target
  const gzip = createGzip({ level: 1 })
  gzip.pipe(target)
  target.on('close', () => gzip.destroy())
  gzip.on('close', () => gzip.readableEnded || target.destroy())
  return gzip
}
