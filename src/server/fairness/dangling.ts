// Keeps the condition Dangling of every flow schema true to whether its priority level is there.
import { conditionOf } from '#api/conditions.ts'
import { FlowSchema } from '#api/kinds/flowcontrol/flow-schema.ts'
import { PriorityLevelConfiguration } from '#api/kinds/flowcontrol/priority-level-configuration.ts'
import { hasReason } from '#api/status.ts'
import { formatTime } from '#lib/clock.ts'
import type { ServerContext } from '#server/request.ts'

type Parts = Pick<ServerContext, 'reader' | 'writer' | 'clock' | 'log'>

const PERIOD_MS = 100

/** Until the signal aborts. */
export async function keepDangling(parts: Parts, signal: AbortSignal): Promise<void> {
  const { reader, clock } = parts
  let changed = true
  using stack = new DisposableStack()
  let wake: (() => void) | undefined
  const note = () => {
    changed = true
    wake?.()
  }
  stack.use(reader.onChange(FlowSchema, note))
  stack.use(reader.onChange(PriorityLevelConfiguration, note))
  signal.addEventListener('abort', note, { once: true })
  while (!signal.aborted) {
    if (!changed) await new Promise<void>((resolve) => (wake = resolve))
    if (signal.aborted) return
    changed = false
    for (const schema of reader.list(FlowSchema)) await settle(parts, schema)
    await clock.sleep(PERIOD_MS, signal).catch(() => {})
  }
}

async function settle({ reader, writer, clock, log }: Parts, schema: FlowSchema): Promise<void> {
  const wanted = (object: FlowSchema) => {
    const level = object.spec?.priorityLevelConfiguration.name ?? ''
    const there = reader.get(PriorityLevelConfiguration, { name: level }) !== undefined
    const references = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`
    return there
      ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${references} and it exists` }
      : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${references} but there is no such object` }
  }
  const condition = wanted(schema)
  const present = conditionOf(schema.status?.conditions, 'Dangling')
  if (present?.status === condition.status && present.message === condition.message) return
  try {
    await writer.modify(
      FlowSchema,
      { name: schema.metadata!.name! },
      (object) => {
        const conditions = (object.status ??= {}).conditions ?? []
        const before = conditions.find(({ type }) => type === 'Dangling')
        const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime! : formatTime(clock.now())
        object.status.conditions = [...conditions.filter((one) => one !== before), { ...wanted(object), lastTransitionTime }]
      },
      { subresource: 'status', fieldManager: 'api-priority-and-fairness-config-consumer-v1' },
    )
  } catch (error) {
    if (!hasReason(error, 'NotFound')) log.warn('a flow schema keeps an old status', { name: schema.metadata?.name, error })
  }
}
