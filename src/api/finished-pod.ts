// Whether a pod has ended for good: nothing of it runs again, whatever its containers were.
import type { Pod } from '#api/generated/types.ts'

export function isFinished({ status }: { status?: Pod['status'] | undefined }): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}
