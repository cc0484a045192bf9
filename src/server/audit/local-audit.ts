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

export function auditedClient({ auditor, user, random, client }: AuditedOptions): Client {
  const begin = ({ verb, kind, namespace, name, subresource, query = {} }: Asked) => {
    const annotations = new Map<string, string>()
    const scoped = kind.scope === 'Namespaced' ? (namespace ?? '') : kind.plural === 'namespaces' ? (name ?? '') : ''
    const inNamespace = namespace ? { namespace } : {}
    const key = { ...(namespace ? { namespace } : {}), ...(name ? { name } : {}) }
    const attributes = {
      user,
      verb,
      isResourceRequest: true,
      path: '',
      group: kind.group,
      version: kind.version,
      resource: kind.plural,
      subresource: subresource ?? '',
      namespace: scoped,
      name: name ?? '',
    }
    const requestUri = resourcePath(kind, verb === 'create' && !subresource ? inNamespace : key, subresource) + queryText(query)
    const source = { auditId: random.uuid(), requestUri, sourceIPs: ['127.0.0.1'], userAgent: 'sampan' }
    const record = auditor.begin(attributes, source, annotations)
    const annotate: Annotate = (name, value, level) => {
      if (!level || record?.keeps(level)) annotations.set(name, value)
    }
    return { record, actor: client(annotate) }
  }

  const arrived = async (asked: Asked) => {
    const begun = begin(asked)
    if (!begun.record) return begun
    const taken = auditor.tell(begun.record, 'RequestReceived')
    if (!(taken === true || (await taken))) throw new StatusError('InternalError', 'Internal error occurred: failed to store audit event')
    return begun
  }

  const run = async <R>(asked: Asked, act: (actor: Client, record: AuditRecord | undefined) => Promise<R>, code = 200): Promise<R> => {
    const { record, actor } = await arrived(asked)
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

  return {
    get: (kind, key: ObjectKey, options: ReadOptions & { subresource?: string } = {}) =>
      run({ verb: 'get', kind, ...key, subresource: options.subresource }, (actor) => actor.get(kind, key, options)),
    list: (kind, options: ListOptions = {}) =>
      run({ verb: 'list', kind, namespace: options.namespace, query: selectorsOf(options) }, (actor) => actor.list(kind, options)),
    async *watch(kind, options: WatchOptions & { signal: AbortSignal }) {
      const { record, actor } = await arrived({
        verb: 'watch',
        kind,
        namespace: options.namespace,
        query: { ...selectorsOf(options), watch: true },
      })
      try {
        if (record) {
          record.status = { code: 200 }
          void auditor.tell(record, 'ResponseStarted')
        }
        yield* actor.watch(kind, options)
      } catch (error) {
        if (record && error instanceof StatusError) record.answered(error.toStatus())
        throw error
      } finally {
        if (record) void auditor.tell(record, 'ResponseComplete')
      }
    },
    create: (kind, object, options: CreateOptions = {}) => {
      const { subresource } = options
      const namespace = options.namespace ?? object.metadata?.namespace
      const name = subresource ? (options.name ?? object.metadata?.name) : undefined
      return run(
        { verb: 'create', kind, namespace, name, subresource, query: writing(options) },
        (actor, record) => {
          record?.request(object)
          return actor.create(kind, object, options)
        },
        201,
      )
    },
    update: (kind, object, options: WriteOptions = {}) =>
      run({ verb: 'update', kind, ...keyOf(object), subresource: options.subresource, query: writing(options) }, (actor, record) => {
        record?.request(object)
        return actor.update(kind, object, options)
      }),
    patch: (kind, key: ObjectKey, patch: Patch, options: WriteOptions = {}) =>
      run({ verb: 'patch', kind, ...key, subresource: options.subresource, query: writing(options) }, (actor, record) => {
        record?.patch(patch.patch)
        return actor.patch(kind, key, patch, options)
      }),
    delete: (kind, key: ObjectKey, options: DeleteOptions = {}) =>
      run({ verb: 'delete', kind, ...key }, (actor) => actor.delete(kind, key, options)),
    deleteCollection: (kind, options: DeleteOptions & ListOptions = {}) =>
      run({ verb: 'deletecollection', kind, namespace: options.namespace, query: selectorsOf(options) }, (actor) =>
        actor.deleteCollection(kind, options),
      ),
  }
}

function failed(auditor: Auditor, record: AuditRecord, error: unknown): void {
  const status: Status = error instanceof StatusError ? error.toStatus() : new StatusError('InternalError', String(error)).toStatus()
  record.answered(status)
  void auditor.tell(record, 'ResponseComplete')
}

const selectorsOf = ({ labelSelector, fieldSelector }: ListOptions) => ({ labelSelector, fieldSelector })
const writing = ({ dryRun, fieldManager }: WriteOptions) => ({ fieldManager, dryRun: dryRun ? 'All' : undefined })
