// The Client of this process: authorisation, admission and validation like everyone, without sockets and bytes. What it returns is shared and frozen.
import { clone } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import { apiVersionOf, type KubeObject, keyOf, type List, type ObjectKey } from '#api/object.ts'
import type { Scale } from '#api/generated/types.ts'
import { restoreDigits } from '#api/schema/reckoned.ts'
import { type Status, StatusError } from '#api/status.ts'
import type {
  Client,
  CreateOptions,
  DeleteOptions,
  ListOptions,
  Patch,
  ReadOptions,
  UserInfo,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '#client/client.ts'
import { applyObject } from './engine/apply.ts'
import { createObject } from './engine/create.ts'
import { decodeLocal, decodeLocalStatus, decodeLocalUpdate } from './engine/decode.ts'
import { deleteCollection } from './engine/delete-collection.ts'
import { deleteObject, returnsDeleted } from './engine/delete.ts'
import { plainObject } from './engine/encoding.ts'
import { type Engine, handlerOf, type Write } from './engine/engine.ts'
import { getObject, listObjects } from './engine/list.ts'
import { patchStored } from './engine/patch.ts'
import { ScaleKind, scaleOf, updateScale } from './engine/scale.ts'
import { bodyKind, createThrough, type HandlerCall, notAllowed, requestOf } from './engine/subresource.ts'
import { checkNames, updateObject } from './engine/update.ts'
import { deletedStatus } from './engine/deleted-status.ts'
import type { Auditor } from './audit/auditor.ts'
import { auditedClient } from './audit/local-audit.ts'
import { assertAllowed } from './access/authorizers.ts'
import { watchLocally } from './local-watch.ts'
import type { Resource, StoredResource } from './registry.ts'
import type { Annotate, Authorizer, RequestAttributes, Within } from './request.ts'
import { patchObject } from '#api/patch/patch.ts'
import { attributesOf, namespaceAsked } from './attributes.ts'
import { decodePatched } from './engine/decode.ts'
import type { StoredObject } from './cache/stored-object.ts'

interface Asked {
  verb: string
  namespace?: string | undefined
  name?: string | undefined
  subresource?: string | undefined
  labelSelector?: string | undefined
  fieldSelector?: string | undefined
}

interface Allowed {
  resource: Resource
  attributes: RequestAttributes
}

interface LocalClientOptions {
  user: UserInfo
  authorizer: Authorizer | undefined
  auditor?: Auditor | undefined
}

/** As for those from outside. */
const MAX_WRITE_MS = 34_000

export function createLocalClient(engine: Engine, { user, authorizer, auditor }: LocalClientOptions): Client {
  if (!auditor) return new LocalClient(engine, { user, authorizer })
  const client = (annotate: Annotate) => new LocalClient(engine, { user, authorizer, annotate })
  return auditedClient({ auditor, user, random: engine.random, client })
}

class LocalClient implements Client {
  readonly #engine: Engine
  readonly #user: UserInfo
  readonly #authorizer: Authorizer | undefined

  readonly #annotate: Annotate | undefined
  readonly #manager: string

  constructor(engine: Engine, { user, authorizer, annotate }: LocalClientOptions & { annotate?: Annotate }) {
    this.#engine = engine
    this.#user = user
    this.#authorizer = authorizer
    this.#annotate = annotate
    this.#manager = managerOf(user)
  }

  async get<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, options: ReadOptions & { subresource?: string } = {}): Promise<T> {
    const { subresource } = options
    const { resource, attributes } = await this.#ask(kind, { verb: 'get', ...key, subresource })
    options.signal?.throwIfAborted()
    const handler = handlerOf(this.#engine, resource.kind, subresource ?? '')
    if (handler?.get) return (await handler.get(requestOf(this.#handlerCall(resource, { attributes, key })))) as T
    const { resourceVersion } = options
    const stored = await getObject(this.#engine, storedOf(resource), { ...key, ...(resourceVersion ? { resourceVersion } : {}) })
    const object = plainObject(resource, stored, this.#engine.mirror)
    return (subresource === 'scale' ? scaleOf(resource.kind, object) : object) as T
  }

  async list<T extends KubeObject>(kind: Kind<T>, options: ListOptions = {}): Promise<List<T>> {
    const { resource, attributes } = await this.#ask(kind, { ...options, verb: 'list' })
    options.signal?.throwIfAborted()
    const handler = handlerOf(this.#engine, resource.kind, '')
    if (handler?.list) {
      const items = (await handler.list(requestOf(this.#handlerCall(resource, { attributes, key: { name: '' } })))) as T[]
      return { ...headOf(kind), metadata: {}, items }
    }
    const listing = await listObjects(this.#engine, storedOf(resource), options)
    const items = listing.items.map((stored) => plainObject(resource, stored) as T)
    return {
      ...headOf(kind),
      metadata: {
        resourceVersion: String(listing.revision),
        ...(listing.continue ? { continue: listing.continue } : {}),
        ...(listing.remaining ? { remainingItemCount: listing.remaining } : {}),
      },
      items,
    }
  }

  watch<T extends KubeObject>(kind: Kind<T>, options: WatchOptions & { signal: AbortSignal }): AsyncGenerator<WatchEvent<T>> {
    const find = async () => storedOf((await this.#ask(kind, { verb: 'watch', ...options })).resource)
    return watchLocally<T>(this.#engine, find, options)
  }

  async create<T extends KubeObject, O extends KubeObject = T>(kind: Kind<T>, object: O, options: CreateOptions = {}): Promise<O> {
    const { subresource } = options
    const namespace = kind.scope === 'Namespaced' ? (options.namespace ?? object.metadata?.namespace) : undefined
    const name = subresource ? (options.name ?? object.metadata?.name) : undefined
    const { resource, attributes } = await this.#ask(kind, { verb: 'create', namespace, name, subresource })
    options.signal?.throwIfAborted()
    const body = subresource ? bodyKind(resource.kind, subresource) : resource.kind
    const own = decodeLocal(body, clone(object as KubeObject))
    const handler = handlerOf(this.#engine, resource.kind, subresource ?? '')
    if (handler) {
      const key = { ...(namespace ? { namespace } : {}), name: name ?? '' }
      const call = this.#handlerCall(resource, { attributes, key, dryRun: options.dryRun === true })
      return answered(await createThrough(this.#engine, handler, { call, object: own })) as O
    }
    if (subresource) throw notAllowed()
    const write = this.#write(resource, attributes, options)
    return this.#served(resource, await createObject(this.#engine, write, own)) as O
  }

  async update<T extends KubeObject, O extends KubeObject = T>(kind: Kind<T>, object: O, options: WriteOptions = {}): Promise<O> {
    const key = keyOf(object)
    const { resource, attributes } = await this.#ask(kind, { verb: 'update', ...key, subresource: options.subresource })
    options.signal?.throwIfAborted()
    const write = this.#write(resource, attributes, options)
    if (options.subresource === 'scale') {
      const scale = decodeLocal(ScaleKind, clone(object as KubeObject)) as Scale
      return (await updateScale(this.#engine, write, { key, build: () => scale })) as unknown as O
    }
    const ofStatus = options.subresource === 'status'
    const build = (present?: KubeObject, stored?: StoredObject) => {
      const next =
        ofStatus && present ? decodeLocalStatus(resource.kind, object, present) : decodeLocalUpdate(resource.kind, object, present)
      if (stored?.mayHoldLongNumber) restoreDigits(next, present)
      checkNames(write, key, next)
      return next
    }
    const create = resource.kind.createOnUpdate === true && !options.subresource
    return this.#served(resource, await updateObject(this.#engine, write, { key, change: { build, create, replaces: true } })) as O
  }

  async patch<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, patch: Patch, options: WriteOptions = {}): Promise<T> {
    const { resource, attributes } = await this.#ask(kind, { verb: 'patch', ...key, subresource: options.subresource })
    options.signal?.throwIfAborted()
    const write = this.#write(resource, attributes, options)
    const fieldValidation = options.fieldValidation ?? 'Warn'
    if (patch.type === 'apply') {
      const { force = false } = patch
      const manager = { ...write, fieldManager: options.fieldManager ?? '' }
      const own = clone(patch.patch)
      return this.#served(resource, await applyObject(this.#engine, manager, { key, patch: own, force, fieldValidation })) as T
    }
    const body = { type: patch.type, patch: patch.patch }
    if (options.subresource === 'scale') {
      const build = (present: Scale) =>
        decodePatched(ScaleKind, clone(patchObject(present, body, ScaleKind.schema)), {
          fieldValidation,
          warn: write.warn,
          patch: body,
        }) as Scale
      return (await updateScale(this.#engine, write, { key, build })) as unknown as T
    }
    return this.#served(resource, await patchStored(this.#engine, write, { key, patch: body, fieldValidation })) as T
  }

  async delete<T extends KubeObject>(kind: Kind<T>, key: ObjectKey, options: DeleteOptions = {}): Promise<T | Status> {
    const { resource, attributes } = await this.#ask(kind, { verb: 'delete', ...key })
    options.signal?.throwIfAborted()
    const write = this.#write(resource, attributes, options)
    const { stored, gone } = await deleteObject(this.#engine, write, { key, options })
    const object = plainObject(resource, stored, this.#engine.mirror)
    return gone && !returnsDeleted(resource.kind) ? deletedStatus(resource.kind, object) : (object as T)
  }

  async deleteCollection<T extends KubeObject>(kind: Kind<T>, options: DeleteOptions & ListOptions = {}): Promise<void> {
    const { resource, attributes } = await this.#ask(kind, { verb: 'deletecollection', ...options })
    options.signal?.throwIfAborted()
    await deleteCollection(this.#engine, this.#write(resource, attributes, options), { request: options, options })
  }

  /** Finds the resource and makes sure the user may. A promise only where one has to wait. */
  #ask(kind: Kind<any>, asked: Asked): Allowed | Promise<Allowed> {
    const resource = this.#engine.registry.served(kind)
    if (!resource) throw new StatusError('NotFound', 'the server could not find the requested resource')
    const { verb, name, subresource } = asked
    if (subresource) {
      const known = Object.hasOwn(resource.kind.subresources, subresource) ? resource.kind.subresources[subresource] : undefined
      if (!known) throw new StatusError('NotFound', 'the server could not find the requested resource')
      if (!known.verbs.includes(verb)) throw notAllowed()
    }
    const attributes = attributesOf(kind, { user: this.#user, verb, subresource, name, namespace: namespaceAsked(kind, asked) })
    if (asked.labelSelector) attributes.labelSelector = asked.labelSelector
    if (asked.fieldSelector) attributes.fieldSelector = asked.fieldSelector
    const allowed = { resource, attributes }
    const pending = this.#authorizer && assertAllowed(this.#authorizer, attributes, this.#annotate)
    return pending ? pending.then(() => allowed) : allowed
  }

  #write(resource: Resource, attributes: RequestAttributes, options: WriteOptions | DeleteOptions): Write {
    const { dryRun = false } = options
    const named = 'fieldManager' in options ? options.fieldManager : undefined
    return {
      resource: storedOf(resource),
      attributes,
      dryRun,
      fieldManager: named ?? this.#manager,
      local: true,
      warn: nothing,
      within: this.#within(),
      ...(this.#annotate ? { annotate: this.#annotate } : {}),
    }
  }

  #within(): Within {
    const { clock } = this.#engine
    const began = clock.monotonic()
    return { remainingMs: () => began + MAX_WRITE_MS - clock.monotonic() }
  }

  #handlerCall(resource: Resource, options: { attributes: RequestAttributes; key: ObjectKey; dryRun?: boolean }): HandlerCall {
    return {
      kind: resource.kind,
      query: new URLSearchParams(),
      dryRun: false,
      warn: () => {},
      within: this.#within(),
      ...(this.#annotate ? { annotate: this.#annotate } : {}),
      ...options,
    }
  }

  #served(resource: Resource, { stored }: { stored: Parameters<typeof plainObject>[1] }): KubeObject {
    return plainObject(resource, stored, this.#engine.mirror)
  }
}

function nothing(): void {}

/** The last part of the actor's name: as who it acts is what it manages fields as. */
function managerOf({ username }: UserInfo): string {
  return username.split(':').at(-1)!.slice(0, 128) || 'unknown'
}

function headOf(kind: Kind<any>) {
  return { kind: kind.listKind, apiVersion: apiVersionOf(kind) }
}

function storedOf(resource: Resource): StoredResource {
  if (!resource.cache) throw notAllowed()
  return resource as StoredResource
}

function answered(result: KubeObject | Status): KubeObject {
  if (result.kind === 'Status' && (result as Status).status === 'Failure') throw StatusError.from(result as Status)
  return result as KubeObject
}
