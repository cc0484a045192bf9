// Endpoints go with the service of their name, whoever wrote them: the next service of that name must not find them. Slices have owners.
import { Endpoints } from '#api/kinds/core/endpoints.ts'
import { Service } from '#api/kinds/core/service.ts'
import { keyOf, keyText } from '#api/object.ts'
import { ignoreOvertaken } from '#api/status.ts'
import type { ServerContext, WriteEffect, WriteHook } from '#server/request.ts'

export function endpointsOfServices({ reader, writer, log }: ServerContext): WriteHook {
  return {
    kind: Service,
    begin(next: Service | undefined, previous: Service | undefined, { dryRun }): WriteEffect {
      if (next || !previous || dryRun) return {}
      const key = keyOf(previous)
      const commit = () => {
        const uid = reader.get(Endpoints, key)?.metadata?.uid
        if (uid === undefined) return
        writer
          .delete(Endpoints, key, { preconditions: { uid } })
          .catch(ignoreOvertaken)
          .catch((error: unknown) => log.warn('endpoints of a deleted service not removed', { endpoints: keyText(key), error }))
      }
      return { commit }
    },
  }
}
