// componentstatuses, deprecated and still asked for: whether scheduler, controllers and store are well, found out when asked. Nothing is stored.
import { checkFieldSelector, matchesFields, parseFieldSelector } from '#api/field-selector.ts'
import { ComponentStatus } from '#api/kinds/core/component-status.ts'
import { Lease } from '#api/kinds/coordination/lease.ts'
import { matchesLabels, parseLabelSelector } from '#api/label-selector.ts'
import { notFoundError } from '#api/status.ts'
import type { ServerContext, SubresourceHandler } from '#server/request.ts'

/** Whether the scheduler and the controllers of this process work; absent: they are processes of their own, and their Leases tell. */
export type ActorsAtWork = () => boolean

export function componentStatuses(context: ServerContext, actorsAtWork?: ActorsAtWork): SubresourceHandler {
  const actor = (lease: string) => () => {
    if (!actorsAtWork) return leaseProblem(context, lease)
    return actorsAtWork() ? undefined : `${lease} has not started`
  }
  const problems = new Map<string, () => string | undefined>([
    ['controller-manager', actor('kube-controller-manager')],
    ['etcd-0', () => context.storeProblem?.()],
    ['scheduler', actor('kube-scheduler')],
  ])
  return {
    kind: ComponentStatus,
    subresource: '',
    async get({ key: { name } }) {
      const problem = problems.get(name)
      if (!problem) throw notFoundError({ group: '', plural: 'componentstatus' }, name)
      return statusOf(name, problem())
    },
    async list({ query }) {
      const labels = parseLabelSelector(query.get('labelSelector') ?? '')
      const fields = parseFieldSelector(query.get('fieldSelector') ?? '')
      checkFieldSelector(ComponentStatus, fields)
      return [...problems]
        .map(([name, problem]) => statusOf(name, problem()))
        .filter((one) => matchesLabels(labels, one.metadata?.labels) && matchesFields(ComponentStatus, fields, one))
    },
  }
}

function statusOf(name: string, problem: string | undefined): ComponentStatus {
  const condition = { type: 'Healthy', status: problem === undefined ? 'True' : 'False', message: problem ?? 'ok' }
  return { kind: 'ComponentStatus', apiVersion: 'v1', metadata: { name }, conditions: [condition] }
}

function leaseProblem({ reader, clock }: ServerContext, name: string): string | undefined {
  const { holderIdentity, renewTime, leaseDurationSeconds = 0 } = reader.get(Lease, { namespace: 'kube-system', name })?.spec ?? {}
  const until = renewTime ? Date.parse(renewTime) + leaseDurationSeconds * 1000 : Number.NaN
  return holderIdentity && until > clock.now() ? undefined : `nobody holds the lease kube-system/${name}`
}
