// /exec, /attach, /portForward and /run: finds the container, asks the runtime for a stream, and joins the client to it.
import type { Clock } from '#lib/clock.ts'
import { type PodDirectory, type Runtime, RuntimeError, type StreamingUrl } from '#node/runtime.ts'
import { servePortForward } from '#node/streaming/port-forward.ts'
import { serveRemoteCommand, type Streams } from '#node/streaming/remote-command.ts'
import { tunnelSpdy } from '#node/streaming/spdy-tunnel.ts'
import { isSpdy, isWebSocket, type Upgrade } from '#node/streaming/upgrade.ts'
import { flag } from './container-logs.ts'
import { HttpError } from './http-error.ts'

export interface RemoteAccess {
  directory: PodDirectory
  runtime: Runtime
  clock: Clock
}

const PORT_LIMIT = 64
const ARGUMENT_LIMIT = 4096
const RUN_SECONDS = 120

/** Throws HttpError before the upgrade; afterwards failures travel in the stream. */
export async function serveUpgrade(upgrade: Upgrade, access: RemoteAccess): Promise<void> {
  const url = new URL(upgrade.request.url ?? '/', 'https://node')
  const [verb = '', ...place] = segments(url.pathname)
  if (!isWebSocket(upgrade) && !isSpdy(upgrade)) throw new HttpError(400, 'Upgrade request required')
  if (verb === 'exec' || verb === 'attach') return remoteCommand(upgrade, { verb, place, query: url.searchParams, ...access })
  if (verb === 'portForward') return portForward(upgrade, { place, query: url.searchParams, ...access })
  throw new HttpError(404, '404 page not found\n')
}

async function remoteCommand(
  upgrade: Upgrade,
  { verb, place, query, directory, runtime, clock }: RemoteAccess & { verb: string; place: string[]; query: URLSearchParams },
): Promise<void> {
  const found = findContainer(place, directory)
  const streams: Streams = {
    stdin: flag(query, 'input') || flag(query, 'stdin'),
    stdout: flag(query, 'output') || flag(query, 'stdout'),
    stderr: flag(query, 'error') || flag(query, 'stderr'),
    tty: flag(query, 'tty'),
  }
  // On a terminal there is one output.
  if (streams.tty) streams.stderr = false
  if (!streams.stdin && !streams.stdout && !streams.stderr) throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr')
  const command = query.getAll('command')
  if (command.length > ARGUMENT_LIMIT) throw new HttpError(400, `more than ${ARGUMENT_LIMIT} arguments`)
  const { url } = await answered(
    verb === 'exec' ? runtime.exec({ ...found, command, ...streams }) : runtime.attach({ ...found, ...streams }),
  )
  if (isSpdy(upgrade)) tunnelSpdy(upgrade, { url, clock })
  else await serveRemoteCommand(upgrade, { url, streams, clock, attach: verb === 'attach' })
}

async function portForward(
  upgrade: Upgrade,
  { place, query, directory, runtime, clock }: RemoteAccess & { place: string[]; query: URLSearchParams },
): Promise<void> {
  const [namespace = '', pod = ''] = place
  const sandbox = directory.sandbox(namespace, pod)
  if (!sandbox) throw new HttpError(404, 'pod does not exist')
  const ports = [...query.getAll('port'), ...query.getAll('ports')].flatMap((text) => text.split(',')).map(Number)
  if (ports.length > PORT_LIMIT || ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw new HttpError(400, `invalid ports ${ports.join(', ')}`)
  }
  const { url } = await answered(runtime.portForward({ sandboxId: sandbox.sandboxId, ports }))
  if (isSpdy(upgrade)) tunnelSpdy(upgrade, { url, clock })
  else await servePortForward(upgrade, { url, ports, clock })
}

/** The output of a command that takes no input. */
export async function runCommand(place: string[], query: URLSearchParams, { directory, runtime }: RemoteAccess): Promise<Buffer> {
  const { containerId } = findContainer(place, directory)
  const command = (query.get('cmd') ?? '').split(' ').filter(Boolean)
  const { stdout, stderr } = await answered(runtime.execSync(containerId, command, RUN_SECONDS))
  return Buffer.concat([stdout, stderr])
}

/** NAMESPACE/POD/CONTAINER or NAMESPACE/POD/UID/CONTAINER. */
function findContainer(place: string[], directory: PodDirectory): { containerId: string } {
  const [namespace = '', pod = '', third = '', fourth] = place
  const container = fourth ?? third
  const uid = fourth === undefined ? {} : { uid: third }
  const known = (directory.pods() as { metadata?: { name?: string; namespace?: string } }[]).some(
    ({ metadata }) => metadata?.name === pod && metadata.namespace === namespace,
  )
  if (!known) throw new HttpError(404, 'pod does not exist')
  const found = directory.container(namespace, pod, container, uid)
  if (!found || found.state === 'exited') throw new HttpError(500, `container not found ("${container}")`)
  return { containerId: found.containerId }
}

async function answered<T extends StreamingUrl | object>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof RuntimeError) throw new HttpError(error.reason === 'NotFound' ? 404 : 500, error.message)
    throw error
  }
}

export function segments(path: string): string[] {
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent)
  } catch {
    throw new HttpError(400, 'malformed path')
  }
}
