// Records what code of this process asks for, as requests from outside are recorded: a client around a client, there only when there is an audit policy.
import type { Kind } from '#api/kind.ts'
import { keyOf, type KubeObject, type ObjectKey } from '#api/object.ts'
import { type Status, StatusError } from '#api/status.ts'
import type {
  Client,
  CreateOptions,
  DeleteOptions,
  ListOptions,
  Patch,
  ReadOptions,
  UserInfo,
  WatchOptions,
  WriteOptions,
} from '#client/client.ts'
import { queryText, resourcePath } from '#client/resource-path.ts'
import type { Random } from '#lib/random.ts'
import { attributesOf, namespaceAsked } from '#server/attributes.ts'
import type { Annotate } from '#server/request.ts'
import type { AuditRecord } from './audit-record.ts'
import type { Auditor } from './auditor.ts'

export interface AuditedOptions {
  auditor: Auditor
  user: UserInfo
  random: Random
  /** The client that acts, telling `annotate` what authorisation and admission have to say. */
  client(annotate: Annotate): Client
}

interface Asked {
  verb: string
  kind: Kind<any>
  namespace?: string | undefined
  name?: string | undefined
  subresource?: string | undefined
  query?: Parameters<typeof queryText>[0]
}

class LocalAudit {
  readonly #options: AuditedOptions

  constructor(options: AuditedOptions) {
    this.#options = options
  }

  /** Its arrival is recorded before anything is done. `record` is absent where the policy wants none. */
  async arrived(asked: Asked): Promise<{ record: AuditRecord | undefined; actor: Client }> {
    const { auditor, random, client, user } = this.#options
    const annotations = new Map<string, string>()
    const source = { auditId: random.uuid(), requestUri: uriOf(asked), sourceIPs: ['127.0.0.1'], userAgent: 'sampan' }
    const attributes = attributesOf(asked.kind, { ...asked, user, namespace: namespaceAsked(asked.kind, asked) })
    const record = auditor.begin(attributes, source, annotations)
    const annotate: Annotate = (name, value, level) => {
      if (!level || record?.keeps(level)) annotations.set(name, typeof value === 'string' ? value : value())
    }
    const actor = client(annotate)
    if (!record) return { record, actor }
    const taken = auditor.tell(record, 'RequestReceived')
    if (!(taken === true || (await taken))) throw new StatusError('InternalError', 'Internal error occurred: failed to store audit event')
    return { record, actor }
  }

  async run<R>(asked: Asked, act: (actor: Client, record: AuditRecord | undefined) => Promise<R>, code = 200): Promise<R> {
    const { auditor } = this.#options
    const { record, actor } = await this.arrived(asked)
    try {
      const result = await act(actor, record)
      if (record) {
        record.status = { code }
        if (result) record.response(result as KubeObject)
        void auditor.tell(record, 'ResponseComplete')
      }
      return result
    } catch (error) {
      if (record) failed(auditor, record, error)
      throw error
    }
  }

  async *watch(asked: Asked, act: (actor: Client) => ReturnType<Client['watch']>): AsyncGenerator<any> {
    const { auditor } = this.#options
    const { record, actor } = await this.arrived(asked)
    try {
      if (record) {
        record.status = { code: 200 }
        void auditor.tell(record, 'ResponseStarted')
      }
      yield* act(actor)
    } catch (error) {
      if (record && error instanceof StatusError) record.answered(error.toStatus())
      throw error
    } finally {
      if (record) void auditor.tell(record, 'ResponseComplete')
    }
  }
}

export function auditedClient(options: AuditedOptions): Client {
  const audit = new LocalAudit(options)
  return {
    get: (kind, key: ObjectKey, options: ReadOptions & { subresource?: string } = {}) =>
      audit.run({ verb: 'get', kind, ...key, subresource: options.subresource }, (actor) => actor.get(kind, key, options)),
    list: (kind, options: ListOptions = {}) =>
      audit.run({ verb: 'list', kind, namespace: options.namespace, query: selectorsOf(options) }, (actor) => actor.list(kind, options)),
    watch: (kind, options: WatchOptions & { signal: AbortSignal }) =>
      audit.watch({ verb: 'watch', kind, namespace: options.namespace, query: { ...selectorsOf(options), watch: true } }, (actor) =>
        actor.watch(kind, options),
      ),
    create: (kind, object, options: CreateOptions = {}) => {
      const { subresource } = options
      const namespace = options.namespace ?? object.metadata?.namespace
      const name = subresource ? (options.name ?? object.metadata?.name) : undefined
      return audit.run(
        { verb: 'create', kind, namespace, name, subresource, query: writing(options) },
        (actor, record) => {
          record?.request(object)
          return actor.create(kind, object, options)
        },
        201,
      )
    },
    update: (kind, object, options: WriteOptions = {}) =>
      audit.run({ verb: 'update', kind, ...keyOf(object), subresource: options.subresource, query: writing(options) }, (actor, record) => {
        record?.request(object)
        return actor.update(kind, object, options)
      }),
    patch: (kind, key: ObjectKey, patch: Patch, options: WriteOptions = {}) =>
      audit.run({ verb: 'patch', kind, ...key, subresource: options.subresource, query: writing(options) }, (actor, record) => {
        record?.patch(patch.patch)
        return actor.patch(kind, key, patch, options)
      }),
    delete: (kind, key: ObjectKey, options: DeleteOptions = {}) =>
      audit.run({ verb: 'delete', kind, ...key }, (actor) => actor.delete(kind, key, options)),
    deleteCollection: (kind, options: DeleteOptions & ListOptions = {}) =>
      audit.run({ verb: 'deletecollection', kind, namespace: options.namespace, query: selectorsOf(options) }, (actor) =>
        actor.deleteCollection(kind, options),
      ),
  }
}

function uriOf({ verb, kind, namespace, name, subresource, query = {} }: Asked): string {
  const inNamespace = namespace ? { namespace } : {}
  const key = { ...inNamespace, ...(name ? { name } : {}) }
  return resourcePath(kind, verb === 'create' && !subresource ? inNamespace : key, subresource) + queryText(query)
}

function failed(auditor: Auditor, record: AuditRecord, error: unknown): void {
  const status: Status = error instanceof StatusError ? error.toStatus() : new StatusError('InternalError', String(error)).toStatus()
  record.answered(status)
  void auditor.tell(record, 'ResponseComplete')
}

const selectorsOf = ({ labelSelector, fieldSelector }: ListOptions) => ({ labelSelector, fieldSelector })
const writing = ({ dryRun, fieldManager }: WriteOptions) => ({ fieldManager, dryRun: dryRun ? 'All' : undefined })
