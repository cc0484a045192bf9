// Rollbacks that are asked for by an annotation, as objects of extensions/v1beta1 once did: kubectl goes back by itself. Asked once, tried once.
import { Deployment } from '#api/kinds/apps/deployment.ts'
import type { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { isCopied, revisionOf, ROLLBACK_TO } from './annotations.ts'
import { HASH_LABEL, type Rollout, sameTemplate } from './rollout.ts'

/** undefined: none is asked for. 0n: to the one before. */
export function rollbackTo({ metadata }: Deployment): bigint | undefined {
  const text = metadata?.annotations?.[ROLLBACK_TO]
  return text !== undefined && /^[+-]?\d{1,19}$/.test(text) ? BigInt(text) : undefined
}

export async function rollBack(rollout: Rollout, asked: bigint): Promise<void> {
  await rollout.syncNewest({ create: true })
  const revision = asked === 0n ? beforeLast(rollout.all) : asked
  const target = revision === 0n ? undefined : rollout.all.find((set) => revisionOf(set) === revision)
  const name = JSON.stringify(rollout.deployment.metadata?.name)
  if (!target) {
    const text = revision === 0n ? 'Unable to find last revision.' : 'Unable to find the revision to rollback to.'
    rollout.tell('Warning', 'DeploymentRollbackRevisionNotFound', text)
    return write(rollout, rollout.deployment)
  }
  if (sameTemplate(rollout.deployment.spec?.template, target.spec?.template)) {
    const text = `The rollback revision contains the same template as current deployment ${name}`
    rollout.tell('Warning', 'DeploymentRollbackTemplateUnchanged', text)
    return write(rollout, rollout.deployment)
  }
  await write(rollout, restored(rollout.deployment, target))
  rollout.tell('Normal', 'DeploymentRollback', `Rolled back deployment ${name} to revision ${revision}`)
}

/** The template and the annotations that went with it. */
function restored(deployment: Deployment, { spec, metadata }: ReplicaSet): Deployment {
  const { template } = spec!
  const { [HASH_LABEL]: _, ...labels } = template?.metadata?.labels ?? {}
  const own = Object.entries(deployment.metadata?.annotations ?? {}).filter(([key]) => !isCopied(key))
  const back = Object.entries(metadata?.annotations ?? {}).filter(([key]) => isCopied(key))
  return {
    ...deployment,
    metadata: { ...deployment.metadata, annotations: Object.fromEntries([...own, ...back]) },
    spec: { ...deployment.spec!, template: { ...template, metadata: { ...template?.metadata, labels } } },
  }
}

async function write({ context }: Rollout, deployment: Deployment): Promise<void> {
  const { [ROLLBACK_TO]: _, ...annotations } = deployment.metadata?.annotations ?? {}
  await context.client.update(Deployment, { ...deployment, metadata: { ...deployment.metadata, annotations } })
}

function beforeLast(sets: readonly ReplicaSet[]): bigint {
  let [last, before] = [0n, 0n]
  for (const revision of sets.map(revisionOf)) {
    if (revision >= last) [last, before] = [revision, last]
    else if (revision > before) before = revision
  }
  return before
}
