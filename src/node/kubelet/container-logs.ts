// /containerLogs/NAMESPACE/POD/CONTAINER: which file, which options, and what is said when there is no log. Bodies of errors are what the API
// server hands to clients.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Clock } from '#lib/clock.ts'
import type { PodDirectory } from '#node/runtime.ts'
import { HttpError } from './http-error.ts'
import { type LogOptions, readLog } from './log-reader.ts'

interface Place {
  namespace: string
  pod: string
  container: string
}

interface PodLike {
  metadata?: { name?: string; namespace?: string }
  spec?: Partial<Record<'containers' | 'initContainers' | 'ephemeralContainers', { name: string }[]>>
  status?: Partial<Record<'containerStatuses' | 'initContainerStatuses' | 'ephemeralContainerStatuses', StatusLike[]>>
}

interface StatusLike {
  name: string
  state?: { waiting?: { reason?: string } }
}

export async function serveContainerLogs(
  response: ServerResponse,
  { place, query, directory, clock }: { place: Place; query: URLSearchParams; directory: PodDirectory; clock: Clock },
): Promise<void> {
  const options = logOptions(query, clock.now())
  const previous = flag(query, 'previous')
  const found = findLog(place, { previous, directory })
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const running = () => {
    if (previous) return false
    const now = directory.container(place.namespace, place.pod, place.container)
    return now?.containerId === found.containerId && now.state !== 'exited'
  }
  const text = readLog({ path: found.logPath, running, clock, signal: gone.signal }, options)
  // A missing file is known only by opening it, and must still be able to answer with an error.
  const first = await text.next().catch((error: unknown) => {
    throw new HttpError(500, `failed to open log file "${found.logPath}": ${(error as Error).message}`)
  })
  response.writeHead(200, { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' })
  response.flushHeaders()
  try {
    for (let piece = first; !piece.done && !response.destroyed; piece = await text.next()) {
      if (!response.write(piece.value)) await once(response, 'drain', { signal: gone.signal })
    }
    response.end()
  } catch {
    // The client went away, or the file did: what was sent is all there is.
    response.destroy()
  } finally {
    await text.return()
  }
}

/** Said in words where the reason's name alone would not help. */
const WAITING: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
}

function findLog({ namespace, pod, container }: Place, { previous, directory }: { previous: boolean; directory: PodDirectory }) {
  const object = (directory.pods() as PodLike[]).find(({ metadata }) => metadata?.name === pod && metadata.namespace === namespace)
  if (!object) throw new HttpError(404, `{"message": "pod \\"${pod}\\" does not exist\\n"}`)
  const { containers = [], initContainers = [], ephemeralContainers = [] } = object.spec ?? {}
  if (![...containers, ...initContainers, ...ephemeralContainers].some(({ name }) => name === container)) {
    throw new HttpError(404, `{"message": "container \\"${container}\\" not found in pod \\"${pod}\\"\\n"}`)
  }
  const found = directory.container(namespace, pod, container, { previous })
  if (found) return found
  if (previous) throw new HttpError(400, `previous terminated container "${container}" in pod "${pod}" not found`)
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = object.status ?? {}
  const status = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(({ name }) => name === container)
  const reason = status?.state?.waiting?.reason
  throw new HttpError(
    400,
    reason
      ? `container "${container}" in pod "${pod}" is waiting to start: ${WAITING[reason] ?? reason}`
      : `container "${container}" in pod "${pod}" is not available`,
  )
}

function logOptions(query: URLSearchParams, now: number): LogOptions {
  const tailLines = integer(query, 'tailLines', 0)
  const limitBytes = integer(query, 'limitBytes', 1)
  const sinceSeconds = integer(query, 'sinceSeconds', 1)
  const sinceTime = query.get('sinceTime')
  const since = sinceTime ? Date.parse(sinceTime) : sinceSeconds === undefined ? undefined : now - sinceSeconds * 1000
  const stream = query.get('stream') ?? 'All'
  const valid = (sinceTime === null || sinceSeconds === undefined) && !Number.isNaN(since) && ['All', 'Stdout', 'Stderr'].includes(stream)
  if (!valid || (stream !== 'All' && tailLines !== undefined)) throw new HttpError(422, '{"message": "Invalid request."}')
  return {
    follow: flag(query, 'follow'),
    timestamps: flag(query, 'timestamps'),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since }),
    ...(stream === 'All' ? {} : { stream: stream.toLowerCase() as 'stdout' | 'stderr' }),
  }
}

function integer(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const value = Number(text)
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new HttpError(400, '{"message": "Unable to decode query."}')
  if (value < least) throw new HttpError(422, '{"message": "Invalid request."}')
  return value
}

export function flag(query: URLSearchParams, name: string): boolean {
  return ['1', 'true', 'True', 'TRUE', 't', 'T'].includes(query.get(name) ?? '')
}
