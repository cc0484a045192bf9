// What a delete answers with when nothing is left of the object.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import type { Status } from '#api/status.ts'

export function deletedStatus(kind: Kind, { metadata }: KubeObject): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: metadata!.name!, ...(kind.group ? { group: kind.group } : {}), kind: kind.plural, uid: metadata!.uid! },
  }
}
