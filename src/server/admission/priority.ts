// A pod's priority is its class's, or the default class's, or zero; never the pod author's own number.
import type { Pod } from '#api/generated/types.ts'
import { PriorityClass } from '#api/kinds/scheduling/priority-class.ts'
import type { AdmissionPlugin, AdmissionRequest, ServerContext } from '#server/request.ts'
import { onceThere } from './once-there.ts'
import { denied, target } from './refusal.ts'

export function priority(context: ServerContext): AdmissionPlugin {
  return {
    name: 'Priority',
    of: ['pods', 'priorityclasses.scheduling.k8s.io'],
    admit(request) {
      if (target(request) !== 'pods') return
      const named = (request.object as Pod | undefined)?.spec?.priorityClassName
      const isThere = () => !named || context.reader.get(PriorityClass, { name: named }) !== undefined
      if (request.operation === 'CREATE') return onceThere(context.reader, isThere, () => assign(request, context))
      if (request.operation === 'UPDATE') keep(request.object as Pod, request.oldObject as Pod)
    },
    validate(request) {
      if (target(request) !== 'priorityclasses.scheduling.k8s.io') return
      const next = request.object as PriorityClass | undefined
      if ((request.operation !== 'CREATE' && request.operation !== 'UPDATE') || !next?.globalDefault) return
      const other = defaultClass(context)
      if (!other || other.metadata?.name === next.metadata?.name) return
      throw denied(request, `PriorityClass ${other.metadata?.name} is already marked as default. Only one default can exist`)
    },
  }
}

/** Priority is the server's to set: an update that leaves it out does not remove it. */
function keep(next: Pod, previous: Pod): void {
  if (previous.spec?.priority !== undefined) next.spec!.priority ??= previous.spec.priority
  if (previous.spec?.preemptionPolicy !== undefined) next.spec!.preemptionPolicy ??= previous.spec.preemptionPolicy
}

function assign(request: AdmissionRequest, context: ServerContext): void {
  const spec = (request.object as Pod).spec!
  const named = spec.priorityClassName
  const chosen = named ? context.reader.get(PriorityClass, { name: named }) : defaultClass(context)
  if (named && !chosen) throw denied(request, `no PriorityClass with name ${named} was found`)
  if (!named && chosen?.metadata?.name) spec.priorityClassName = chosen.metadata.name
  const value = chosen?.value ?? 0
  const policy = chosen?.preemptionPolicy ?? 'PreemptLowerPriority'
  const computed = 'priority admission controller computed'
  if (spec.priority !== undefined && spec.priority !== value)
    throw denied(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; ${computed} ${value} from the given PriorityClass name`,
    )
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy)
    throw denied(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; ${computed} ${policy} from the given PriorityClass name`,
    )
  spec.priority = value
  spec.preemptionPolicy = policy
}

/** Several can only be there from before the rule; then the lowest counts. */
function defaultClass({ reader }: ServerContext): PriorityClass | undefined {
  let lowest: PriorityClass | undefined
  for (const one of reader.list(PriorityClass)) if (one.globalDefault && (!lowest || (one.value ?? 0) < (lowest.value ?? 0))) lowest = one
  return lowest
}
