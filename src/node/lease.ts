// A node's lease: one small object in kube-node-lease, renewed every ten seconds, by which the cluster knows the node lives.
import { Lease } from '#api/kinds/coordination/lease.ts'
import type { Lease as ApiLease } from '#api/generated/types.ts'
import { hasReason, ignoreNotFound } from '#api/status.ts'
import { NODE_LEASE_NAMESPACE } from '#api/well-known.ts'
import type { Client } from '#client/client.ts'
import { type Clock, formatMicroTime } from '#lib/clock.ts'

export const LEASE_PERIOD_MS = 10_000
const DURATION_SECONDS = 40

export class NodeLease {
  readonly #client: Client
  readonly #clock: Clock
  readonly #node: string
  #last: ApiLease | undefined

  constructor(options: { client: Client; clock: Clock; node: string }) {
    this.#client = options.client
    this.#clock = options.clock
    this.#node = options.node
  }

  /** `uid` of the node, which owns its lease. Throws when the API could not be asked. */
  async renew(uid: string | undefined): Promise<void> {
    const key = { namespace: NODE_LEASE_NAMESPACE, name: this.#node }
    this.#last ??= await this.#client.get(Lease, key).catch(ignoreNotFound)
    const renewTime = formatMicroTime(this.#clock.now())
    try {
      if (this.#last) {
        this.#last = await this.#client.update(Lease, {
          ...this.#last,
          spec: { ...this.#last.spec, holderIdentity: this.#node, leaseDurationSeconds: DURATION_SECONDS, renewTime },
        })
        return
      }
      this.#last = await this.#client.create(Lease, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: {
          ...key,
          ...(uid ? { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: this.#node, uid }] } : {}),
        },
        spec: { holderIdentity: this.#node, leaseDurationSeconds: DURATION_SECONDS, renewTime },
      })
    } catch (error) {
      // Someone else's version, or none any more: the next renewal reads it anew.
      this.#last = undefined
      if (!hasReason(error, 'Conflict', 'NotFound', 'AlreadyExists')) throw error
      if (hasReason(error, 'NotFound')) return
      this.#last = await this.#client.get(Lease, key).catch(ignoreNotFound)
    }
  }
}
