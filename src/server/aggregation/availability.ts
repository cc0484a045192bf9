// Whether an APIService answers, in upstream's reasons and words: its service is there, listens on the port, has endpoints, and serves discovery.
import type { APIServiceSpec } from '#api/generated/types.ts'
import { Service } from '#api/kinds/core/service.ts'
import { hostPort } from '#lib/dial-error.ts'
import type { Clock } from '#lib/clock.ts'
import type { ObjectReader } from '#server/request.ts'
import type { Backend } from '#server/subresources/forward-http.ts'
import { reachError, type RemoteServer } from './remote-server.ts'
import { readyAddresses, slicesOf } from './service-address.ts'

export interface Availability {
  status: 'True' | 'False'
  reason: string
  message: string
}

export const LOCAL: Availability = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' }
const PASSED: Availability = { status: 'True', reason: 'Passed', message: 'all checks passed' }
const ATTEMPTS = 5
const ATTEMPT_TIMEOUT_MS = 5000
const DISCOVERY_LIMIT = 8 * 1024 * 1024

export interface CheckContext {
  reader: ObjectReader
  clock: Clock
  signal: AbortSignal
}

export async function checkAvailability(spec: APIServiceSpec, server: RemoteServer, context: CheckContext): Promise<Availability> {
  const missing = serviceProblem(context.reader, server)
  if (missing) return missing
  // Some of the endpoints answering is enough; all are asked at once.
  const attempts = Array.from({ length: ATTEMPTS }, () => attempt(spec, server, context))
  const failures = await Promise.all(attempts)
  const failure = failures.includes(undefined) ? undefined : failures.at(-1)
  return failure === undefined ? PASSED : unavailable('FailedDiscoveryCheck', failure)
}

const unavailable = (reason: string, message: string): Availability => ({ status: 'False', reason, message })

/** What the objects alone tell. */
function serviceProblem(reader: ObjectReader, { service: reference }: RemoteServer): Availability | undefined {
  const { namespace, name, port } = reference
  const of = `service/${name} in ${JSON.stringify(namespace)}`
  const service = reader.get(Service, { namespace, name })
  if (!service) return unavailable('ServiceNotFound', `${of} is not present`)
  if ((service.spec?.type ?? 'ClusterIP') !== 'ClusterIP') return undefined
  const wanted = service.spec?.ports?.find((one) => one.port === port)
  if (!wanted) return unavailable('ServicePortError', `${of} is not listening on port ${port}`)
  if (slicesOf(reader, reference).next().done) return unavailable('EndpointsNotFound', `cannot find endpointslices for ${of}`)
  const portName = wanted.name ?? ''
  if (readyAddresses(reader, reference, portName).length > 0) return undefined
  return unavailable('MissingEndpoints', `endpoints for ${of} have no addresses with port name ${JSON.stringify(portName)}`)
}

/** What is wrong, or undefined. */
async function attempt(
  { group, version }: APIServiceSpec,
  server: RemoteServer,
  { clock, signal }: CheckContext,
): Promise<string | undefined> {
  let backend: Backend
  try {
    backend = server.backend()
  } catch (error) {
    return (error as Error).message
  }
  const path = `/apis/${group}/${version}`
  const url = `https://${hostPort(backend)}${path}`
  const late = new AbortController()
  const timer = clock.after(ATTEMPT_TIMEOUT_MS, () => late.abort())
  try {
    const { status } = await server.ask(path, { backend, signal: AbortSignal.any([signal, late.signal]), limit: DISCOVERY_LIMIT })
    if (status >= 200 && status < 300) return undefined
    return `failing or missing response from ${url}: bad status from ${url}: ${status}`
  } catch (error) {
    const why = late.signal.aborted
      ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
      : reachError(error, backend)
    return `failing or missing response from ${url}: Get ${JSON.stringify(url)}: ${why}`
  } finally {
    timer.cancel()
  }
}
