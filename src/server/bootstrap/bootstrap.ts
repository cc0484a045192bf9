// Brings the objects every cluster begins with into being, and back when something of them is missing. Compares in memory and writes only
// differences, so that a second start writes nothing.
import { isDeepStrictEqual } from 'node:util'
import { clone } from '#api/clone.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { ServerContext } from '#server/request.ts'
import type { Desired } from './desired.ts'
import { flowControl } from './flow-control.ts'
import { defaultBindings, defaultRoles } from './rbac.ts'
import { configMaps, namespaces, priorityClasses, services, type SystemOptions } from './system-objects.ts'

type Options = Omit<SystemOptions, 'now'>

/** As upstream looks after the API server's own service. */
const KEEP_PERIOD_MS = 10_000
/** Every so many rounds also the objects of priority and fairness: once a minute. */
const FLOW_CONTROL_ROUNDS = 6

/** How many objects were written. */
export async function bootstrap(context: ServerContext, options: Options, signal: AbortSignal): Promise<number> {
  const system = { ...options, now: context.clock.now() }
  const ensureAll = async (group: readonly Desired[]) => Promise.all(group.map((desired) => ensure(context, desired)))
  let written = 0
  const independent = [...priorityClasses(), ...defaultRoles(), ...defaultBindings(), ...flowControl(), ...configMaps(system)]
  for (const group of [namespaces(), independent, ...services(system).map((one) => [one])]) {
    signal.throwIfAborted()
    written += (await ensureAll(group)).filter(Boolean).length
  }
  return written
}

/** Brings back what clients may take away but the cluster cannot do without: its namespaces, and where the API server and DNS are found. */
export async function keep(context: ServerContext, options: Options, signal: AbortSignal): Promise<void> {
  const system = { ...options, now: context.clock.now() }
  for (let round = 1; !signal.aborted; round++) {
    await context.clock.sleep(KEEP_PERIOD_MS, signal).catch(() => {})
    const flow = round % FLOW_CONTROL_ROUNDS === 0 ? flowControl() : []
    for (const desired of [...namespaces(), ...services(system), ...flow]) {
      if (signal.aborted) return
      await ensure(context, desired).catch((error: unknown) => {
        context.log.warn('a system object is not restored', { kind: desired.kind.kind, name: desired.object.metadata?.name, error })
      })
    }
  }
}

async function ensure({ reader, writer, clock }: ServerContext, { kind, object, reconcile, status }: Desired): Promise<boolean> {
  const key = keyOf(object)
  const present = reader.get(kind, key)
  if (!present) {
    try {
      await writer.create(kind, clone(object))
      if (status) await writer.modify(kind, key, (created) => status(created, clock.now()), { subresource: 'status' })
      return true
    } catch (error) {
      if (hasReason(error, 'AlreadyExists')) return false
      throw error
    }
  }
  if (!reconcile) return false
  const wanted = clone(present)
  reconcile(wanted, object)
  if (isDeepStrictEqual(wanted, present)) return false
  await writer.modify(kind, key, (current) => reconcile(current, object))
  return true
}
