// The Client in the words of HTTP, whatever carries them: JSON there and back, refusals as StatusErrors.
import type { Kind } from '#api/kind.ts'
import { keyOf, type KubeObject, type List, type ObjectKey } from '#api/object.ts'
import { type Status, StatusError, type StatusReason } from '#api/status.ts'
import { unexpectedCauses } from '#api/unexpected-answer.ts'
import type { Client, DeleteOptions, DiscoveredResource, ListOptions, Patch, WatchEvent, WatchOptions, WriteOptions } from './client.ts'
import type { HttpRequest, HttpResponse, HttpSession } from './http-session.ts'
import { queryText, resourcePath } from './resource-path.ts'

const PATCH_TYPES: Record<Patch['type'], string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

const MAX_EVENT_BYTES = 64 * 1024 * 1024
/** HTTP/2's word to whoever goes on sending what nobody reads any more. */
const CANCEL = 8

export type Transport = Pick<HttpSession, 'request' | 'readBody'>

export function clientOver(session: Transport): Client {
  const send = async <T>(request: HttpRequest): Promise<T> => {
    const response = await session.request(request)
    const body = await session.readBody(response)
    if (response.status >= 300) throw refusal(response, body)
    return JSON.parse(body.toString('utf8')) as T
  }
  const write = <T>(method: string, path: string, body: unknown, options: WriteOptions & { contentType?: string; force?: boolean }) => {
    const { dryRun, fieldManager, fieldValidation, force, contentType, signal } = options
    const query = queryText({ dryRun: dryRun ? 'All' : undefined, fieldManager, fieldValidation, force })
    return send<T>({ method, path: path + query, body: JSON.stringify(body), ...(contentType ? { contentType } : {}), ...given(signal) })
  }

  return {
    get: (kind, key, { resourceVersion, subresource, query, signal } = {}) =>
      send({ method: 'GET', path: resourcePath(kind, key, subresource) + queryText({ ...query, resourceVersion }), ...given(signal) }),

    list<T extends KubeObject>(kind: Kind<T>, options: ListOptions = {}) {
      const path = resourcePath(kind, scopeOf(options)) + queryText({ ...selection(options), ...page(options) })
      return send<List<T>>({ method: 'GET', path, ...given(options.signal) })
    },

    watch: <T extends KubeObject>(kind: Kind<T>, options: WatchOptions & { signal: AbortSignal }) =>
      watchEvents<T>(session, { kind, options, maxEventBytes: MAX_EVENT_BYTES }),

    create: (kind, object, options = {}) => {
      const namespace = options.namespace ?? object.metadata?.namespace
      const key = { ...(namespace ? { namespace } : {}), ...(options.subresource && options.name ? { name: options.name } : {}) }
      return write('POST', resourcePath(kind, key, options.subresource), object, options)
    },

    update: (kind, object, options = {}) => write('PUT', resourcePath(kind, keyOf(object), options.subresource), object, options),

    patch: (kind, key, patch, options = {}) =>
      write('PATCH', resourcePath(kind, key, options.subresource), patch.patch, {
        ...options,
        contentType: PATCH_TYPES[patch.type],
        ...(patch.type === 'apply' && patch.force ? { force: true } : {}),
      }),

    delete: (kind, key: ObjectKey, options = {}) =>
      send({ method: 'DELETE', path: resourcePath(kind, key), body: deleteBody(options), ...given(options.signal) }),

    async deleteCollection(kind, options = {}) {
      const path = resourcePath(kind, scopeOf(options)) + queryText(selection(options))
      await send({ method: 'DELETE', path, body: deleteBody(options), ...given(options.signal) })
    },

    async resources(group, version, { signal } = {}) {
      const path = group ? `/apis/${encodeURIComponent(group)}/${encodeURIComponent(version)}` : `/api/${encodeURIComponent(version)}`
      const { resources = [] } = await send<{ resources?: DiscoveredResource[] }>({ method: 'GET', path, ...given(signal) })
      return resources.filter(({ name }) => !name.includes('/'))
    },
  }
}

async function* watchEvents<T extends KubeObject>(
  session: Transport,
  { kind, options, maxEventBytes }: { kind: Kind<T>; options: WatchOptions & { signal: AbortSignal }; maxEventBytes: number },
): AsyncGenerator<WatchEvent<T>> {
  const { signal, allowWatchBookmarks, sendInitialEvents, timeoutSeconds } = options
  const query = queryText({ watch: true, ...selection(options), allowWatchBookmarks, sendInitialEvents, timeoutSeconds })
  const response = await session.request({ method: 'GET', path: resourcePath(kind, scopeOf(options)) + query, signal })
  if (response.status >= 300) throw refusal(response, await session.readBody(response))
  try {
    for await (const line of lines(response, maxEventBytes)) {
      const event = JSON.parse(line) as WatchEvent<T>
      if (event.type === 'ERROR') throw StatusError.from(event.object)
      yield event
    }
  } catch (error) {
    // A broken connection ends the watch: whoever watches resumes from the last version.
    if (signal.aborted || isNetworkError(error)) return
    throw error
  } finally {
    response.stream.close(CANCEL)
  }
}

async function* lines({ stream }: HttpResponse, maxBytes: number): AsyncGenerator<string> {
  let rest: Buffer[] = []
  let restBytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      rest.push(chunk.subarray(from, end))
      const line = Buffer.concat(rest).toString('utf8')
      rest = []
      restBytes = 0
      from = end + 1
      if (line.trim() !== '') yield line
    }
    rest.push(chunk.subarray(from))
    restBytes += chunk.length - from
    if (restBytes > maxBytes) throw new StatusError('RequestEntityTooLarge', `a watch event is larger than ${maxBytes} bytes`)
  }
}

function isNetworkError(error: unknown): boolean {
  const code = String((error as NodeJS.ErrnoException).code)
  return code.startsWith('ERR_HTTP2') || ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ABORT_ERR', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code)
}

/** What the server refused with: its Status, or one made from the bare code. */
function refusal({ status }: HttpResponse, body: Buffer): StatusError {
  const text = body.toString('utf8')
  try {
    const parsed = JSON.parse(text) as Status
    if (parsed.kind === 'Status') return StatusError.from({ code: status, ...parsed })
  } catch {
    // Not JSON: a proxy in between, or a plain text answer.
  }
  const message = text.trim().slice(0, 1024) || `the server answered ${status}`
  return new StatusError(REASONS[status] ?? '', message, { code: status, details: unexpectedCauses(text.trim().slice(0, 1024)) })
}

const REASONS: Record<number, StatusReason> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

function scopeOf({ namespace }: { namespace?: string }): Partial<ObjectKey> {
  return namespace ? { namespace } : {}
}

function selection({ labelSelector, fieldSelector, resourceVersion }: ListOptions) {
  return { labelSelector, fieldSelector, resourceVersion }
}

function page({ limit, continue: token, resourceVersionMatch }: ListOptions) {
  return { limit, continue: token, resourceVersionMatch }
}

function deleteBody({ gracePeriodSeconds, propagationPolicy, preconditions, dryRun }: DeleteOptions): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    gracePeriodSeconds,
    propagationPolicy,
    preconditions,
    ...(dryRun ? { dryRun: ['All'] } : {}),
  })
}

function given(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {}
}
