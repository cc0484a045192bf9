// Container events as a stream that outlives the runtime's restarts. From containerd by its own event service (it also tells of out-of-memory
// kills and exists in every version); from other runtimes by CRI's GetContainerEvents.
import type { Clock } from '#lib/clock.ts'
import { decodeMessage } from '#lib/grpc/codec.ts'
import type { GrpcChannel } from '#lib/grpc/channel.ts'
import type { ProtoSchema } from '#lib/grpc/proto-text.ts'
import type { Logger } from '#lib/log.ts'
import type { RuntimeEvent } from '#node/runtime.ts'

const TOPICS = ['/containers/create', '/tasks/start', '/tasks/exit', '/containers/delete', '/tasks/oom']
const CRI_TYPES: Record<string, RuntimeEvent['type']> = {
  CONTAINER_CREATED_EVENT: 'created',
  CONTAINER_STARTED_EVENT: 'started',
  CONTAINER_STOPPED_EVENT: 'stopped',
  CONTAINER_DELETED_EVENT: 'deleted',
}
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 5000

interface Envelope {
  topic: string
  event?: { value: Uint8Array }
}

interface Source {
  channel: GrpcChannel
  schema: ProtoSchema
  clock: Clock
  log: Logger
  isContainerd(): Promise<boolean>
}

/** Ends only when the signal aborts. What happened while disconnected is not told again. */
export async function* followEvents(source: Source, signal: AbortSignal): AsyncGenerator<RuntimeEvent, void> {
  for (let waitMs = FIRST_RETRY_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, LAST_RETRY_MS)) {
    try {
      const events = (await source.isContainerd()) ? containerdEvents(source, signal) : criEvents(source, signal)
      for await (const event of events) {
        waitMs = FIRST_RETRY_MS
        yield event
      }
    } catch (error) {
      if (signal.aborted) return
      source.log.debug('the runtime event stream broke off', { error })
    }
    await source.clock.sleep(waitMs, signal).catch(() => {})
  }
}

async function* containerdEvents({ channel, schema }: Source, signal: AbortSignal): AsyncGenerator<RuntimeEvent, void> {
  const filters = TOPICS.map((topic) => `namespace==k8s.io,topic=="${topic}"`)
  for await (const { topic, event } of channel.serverStream<Envelope>('Events.Subscribe', { filters }, { signal })) {
    const translated = translate(schema, topic, event?.value ?? new Uint8Array())
    if (translated) yield translated
  }
}

function translate(schema: ProtoSchema, topic: string, bytes: Uint8Array): RuntimeEvent | undefined {
  const read = <T>(name: string) => decodeMessage(schema, `containerd.services.events.v1.${name}`, bytes) as T
  switch (topic) {
    case '/containers/create':
      return { type: 'created', containerId: read<{ id: string }>('ContainerEvent').id }
    case '/containers/delete':
      return { type: 'deleted', containerId: read<{ id: string }>('ContainerEvent').id }
    case '/tasks/start':
      return { type: 'started', containerId: read<{ containerId: string }>('TaskEvent').containerId }
    case '/tasks/oom':
      return { type: 'oom', containerId: read<{ containerId: string }>('TaskEvent').containerId }
    case '/tasks/exit': {
      const { containerId, id } = read<{ containerId: string; id: string }>('TaskExit')
      // The end of an exec has the container's id too.
      return id === containerId ? { type: 'stopped', containerId } : undefined
    }
    default:
      return undefined
  }
}

async function* criEvents({ channel }: Source, signal: AbortSignal): AsyncGenerator<RuntimeEvent, void> {
  interface Event {
    containerId: string
    containerEventType: string
    podSandboxStatus?: { id: string }
  }
  for await (const event of channel.serverStream<Event>('RuntimeService.GetContainerEvents', {}, { signal })) {
    const type = CRI_TYPES[event.containerEventType]
    if (!type) continue
    yield { type, containerId: event.containerId, ...(event.podSandboxStatus ? { sandboxId: event.podSandboxStatus.id } : {}) }
  }
}
