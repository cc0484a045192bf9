// Whether a container that does not run should: its own restart policy and rules first, then the pod's.
import type { Pod } from '#api/generated/types.ts'
import type { Container } from '#node/runtime.ts'
import type { TypedContainer } from './identity.ts'

type Policy = 'Always' | 'OnFailure' | 'Never'

export function restartPolicyOf(pod: Pod, { spec, type }: TypedContainer): Policy {
  if (type === 'sidecar') return 'Always'
  if (type === 'ephemeral') return 'Never'
  const policy = (spec.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always') as Policy
  return type === 'init' && policy === 'Always' ? 'OnFailure' : policy
}

/** `latest` is the newest instance known to the runtime. */
export function shouldRestart(pod: Pod, container: TypedContainer, latest: Container | undefined): boolean {
  if (pod.metadata?.deletionTimestamp) return false
  if (!latest) return true
  if (latest.state === 'running') return false
  if (latest.state === 'unknown' || latest.state === 'created') return true
  for (const { action, exitCodes } of container.spec.restartPolicyRules ?? []) {
    if (action !== 'Restart' || !exitCodes) continue
    const listed = (exitCodes.values ?? []).includes(latest.exitCode)
    if (exitCodes.operator === 'In' ? listed : !listed) return true
  }
  const policy = restartPolicyOf(pod, container)
  return policy === 'Always' || (policy === 'OnFailure' && latest.exitCode !== 0)
}
