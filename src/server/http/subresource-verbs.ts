// Subresources over HTTP: scale, what handlers serve, and the rest, which is the parent seen through a narrower door. Virtual kinds too.
import { ownOutcome, patchObject } from '#api/patch/patch.ts'
import type { Scale } from '#api/generated/types.ts'
import { apiVersionOf, type KubeObject } from '#api/object.ts'
import { type Status, StatusError } from '#api/status.ts'
import { tableOf } from '#api/table.ts'
import { decodePatched } from '#server/engine/decode.ts'
import { servedObject } from '#server/engine/encoding.ts'
import { type Engine, handlerOf } from '#server/engine/engine.ts'
import { getObject } from '#server/engine/list.ts'
import { applyScale, ScaleKind, scaleOf, updateScale } from '#server/engine/scale.ts'
import { recordAsked } from '#server/engine/field-managers.ts'
import { askedBy, bodyKind, createThrough, type HandlerCall, notAllowed, requestOf } from '#server/engine/subresource.ts'
import { mutatingAdmission, validatingAdmission } from '#server/engine/admit.ts'
import type { Resource, StoredResource } from '#server/registry.ts'
import type { SubresourceHandler } from '#server/request.ts'
import { attributesOf } from './authorization.ts'
import { changedQuery, connectOptions } from './connect-options.ts'
import { annotateOf, answerHeaders, type Call } from './call.ts'
import { flag, optionsOf, writeParameters } from './parameters.ts'
import { readObject } from './read-object.ts'
import { answerStatus } from './recover.ts'
import { applyWrite, forbiddenForce, keyOf, negotiateObject, readApply, readPatch, writeOf } from './resource-verbs.ts'
import { encode } from './encode.ts'
import { partialMetadata } from './partial-metadata.ts'
import { includeObjectOf, sendBytes, sendObject, wantsPretty } from './respond.ts'

/** Whether a handler was there to serve it. */
export async function serveHandler(engine: Engine, call: Call, resource: Resource): Promise<boolean> {
  const { info } = call
  const handler = handlerOf(engine, resource.kind, info.subresource)
  if (!handler) return false
  if (handler.connect) {
    await connect(engine, call, { resource, handler })
    return true
  }
  if (info.verb === 'create') await create(engine, call, { resource, handler })
  else if (info.verb === 'get' && handler.get) {
    const object = await handler.get(requestOf(handlerCall(call, resource)))
    await sendObject(call, object, { engine, resource, negotiated: negotiateObject(call) })
  } else if (info.verb === 'list' && handler.list) await list(engine, call, { resource, handler })
  else return false
  return true
}

interface Handled {
  resource: Resource
  handler: SubresourceHandler
}

async function create(engine: Engine, call: Call, { resource, handler }: Handled): Promise<void> {
  // What is asked and answered at once has no rows.
  const negotiated = negotiateObject(call, { transforms: false })
  const parameters = writeParameters(call, 'CreateOptions')
  const kind = bodyKind(resource.kind, call.info.subresource)
  const { alsoVersions } = resource.kind.subresources[call.info.subresource ?? ''] ?? {}
  const object = await readObject(engine, call, { kind, fieldValidation: parameters.fieldValidation, alsoVersions })
  recordAsked(object, {
    kind,
    manager: parameters.fieldManager,
    now: engine.clock.now(),
    ...(call.info.subresource ? { subresource: call.info.subresource } : {}),
  })
  const made = await createThrough(engine, handler, {
    call: { ...handlerCall(call, resource), dryRun: parameters.dryRun, options: optionsOf('CreateOptions', parameters) },
    object,
  })
  if (made.kind === 'Status') return answerStatus(call, { ...(made as Status), code: (made as Status).code ?? 201 })
  await sendObject(call, made as KubeObject, { engine, resource: { ...resource, kind }, negotiated, status: 201 })
}

async function list(engine: Engine, call: Call, { resource, handler }: Handled): Promise<void> {
  const { kind } = resource
  const { format, as, metaVersion } = negotiateObject(call)
  const items = await handler.list!(requestOf(handlerCall(call, resource)))
  const document =
    as === 'Table'
      ? tableOf(kind, items, { now: engine.clock.now(), version: metaVersion, includeObject: includeObjectOf(call) })
      : as
        ? {
            kind: as,
            apiVersion: `meta.k8s.io/${metaVersion}`,
            metadata: {},
            items: items.map((item) => partialMetadata(item, metaVersion)),
          }
        : {
            kind: kind.listKind,
            apiVersion: apiVersionOf(kind),
            metadata: {},
            items: items.map(({ kind: _kind, apiVersion: _version, ...item }) => item),
          }
  await sendBytes(call, {
    status: 200,
    ...encode(document, { format: format === 'protobuf' ? 'json' : format, pretty: wantsPretty(call) }),
  })
}

async function connect(engine: Engine, call: Call, { resource, handler }: Handled): Promise<void> {
  const request = handlerCall(call, resource)
  if (call.info.subresource !== 'log') {
    const object = connectOptions(resource.kind, call.info.subresource, call.exchange.query)
    const before = JSON.stringify(object)
    const admission = { ...askedBy(request), operation: 'CONNECT', ...(object ? { object } : {}) } as const
    await mutatingAdmission(engine, admission)
    await validatingAdmission(engine, admission)
    if (object && JSON.stringify(object) !== before) request.query = changedQuery(object, request.query)
  }
  await handler.connect!({ ...requestOf(request), headers: answerHeaders(call) }, call.exchange)
}

/** Of the engine's own: scale; other subresources of the parent's shape go the way of the parent. */
export async function serveScale(engine: Engine, call: Call, resource: StoredResource): Promise<void> {
  const { kind } = resource
  const key = keyOf(call)
  const send = (scale: Scale) =>
    sendObject(call, scale, { engine, resource: { ...resource, kind: ScaleKind }, negotiated: negotiateObject(call) })
  if (call.info.verb === 'get') {
    return send(scaleOf(kind, servedObject(resource, await getObject(engine, resource, key), engine.mirror.recent)))
  }
  if (call.info.verb === 'update') {
    const parameters = writeParameters(call, 'UpdateOptions')
    const sent = (await readObject(engine, call, { kind: ScaleKind, fieldValidation: parameters.fieldValidation })) as Scale
    const name = sent.metadata?.name
    if (name !== key.name)
      throw new StatusError('BadRequest', `the name of the object (${name ?? ''}) does not match the name on the URL (${key.name})`)
    return send(await updateScale(engine, writeOf(call, { resource, parameters }), { key, build: () => sent }))
  }
  if (call.info.verb === 'patch') {
    const parameters = writeParameters(call, 'PatchOptions')
    const body = await readPatch(call, engine)
    const write = writeOf(call, { resource, parameters })
    const force = flag(call.exchange.query, 'force')
    if (body.type === 'apply') {
      const patch = readApply(body.outcome, parameters, call)
      return send(await applyScale(engine, applyWrite(call, write), { key, patch, force: force ?? false, ...parameters }))
    }
    if (force !== undefined) throw forbiddenForce()
    const build = (present: Scale) =>
      decodePatched(ScaleKind, ownOutcome(patchObject(present, body.patch, ScaleKind.schema), body.patch), {
        fieldValidation: parameters.fieldValidation,
        warn: (text) => call.warnings.add(text),
        patch: body.patch,
        isKnown: engine.registry.knows,
      }) as Scale
    return send(await updateScale(engine, write, { key, build }))
  }
  throw notAllowed()
}

function handlerCall(call: Call, { kind }: Resource): HandlerCall {
  return {
    kind,
    key: keyOf(call),
    attributes: attributesOf(call),
    query: call.exchange.query,
    dryRun: false,
    warn: (text) => call.warnings.add(text),
    annotate: annotateOf(call),
    ...(call.within ? { within: call.within } : {}),
  }
}
