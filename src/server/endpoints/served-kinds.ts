// Everything discovery and OpenAPI tell of: the kinds of this server, without the groups and versions that other servers have, and those others.
import type { GroupOrder } from '#api/discovery/group-order.ts'
import type { Kind } from '#api/kind.ts'
import type { RemoteDocument } from '#api/openapi/openapi.ts'
import type { Aggregator } from '#server/aggregation/aggregator.ts'
import type { Call } from '#server/http/call.ts'
import type { Registry } from '#server/registry.ts'

export interface ServedKinds {
  /** Another whenever anything below is. */
  readonly generation: number
  kinds(): Kind[]
  order(): GroupOrder
  remoteDocuments(): RemoteDocument[]
  /** Answers for the OpenAPI document of a root such as `apis/apps/v1` where another server has it; false: it is ours. */
  answerRemote(call: Call, root: string): Promise<boolean>
}

export function createServedKinds(registry: Registry, aggregator: Aggregator | undefined): ServedKinds {
  return {
    get generation() {
      return registry.generation + (aggregator?.generation ?? 0)
    },
    kinds: () => registry.kinds().filter(({ group, version }) => !aggregator?.serves(group, version)),
    order: () => aggregator?.order() ?? {},
    remoteDocuments: () => aggregator?.remoteDocuments() ?? [],
    answerRemote: async (call, root) => (await aggregator?.answerOpenApi(call, root)) ?? false,
  }
}
