// One pass over one deployment: holds what the pass reads and does the few writes that all strategies share.
import { equal } from '#api/equal.ts'
import type { DeploymentStatus, PodTemplateSpec } from '#api/generated/types.ts'
import { Deployment } from '#api/kinds/apps/deployment.ts'
import { ReplicaSet } from '#api/kinds/apps/replica-set.ts'
import { keyOf } from '#api/object.ts'
import { hasReason } from '#api/status.ts'
import type { ControllerContext } from '#client/controller.ts'
import { conditionOf, withCondition } from '#api/conditions.ts'
import { selectorMatches } from '#api/validation/label-selector.ts'
import { controllerReference, isControlledBy } from '#controllers/owners.ts'
import { isNamespaceTerminating, textOf } from '#controllers/pod-control.ts'
import type { Repeats } from '#controllers/repeats.ts'
import { canonical, templateHash } from '#controllers/template-hash.ts'
import { newSetAnnotations, REVISION, revisionOf, sameAnnotations } from './annotations.ts'
import { calculatedStatus, condition, deadlineInMs, hasDeadline, isComplete, rolloutStatus } from './progress.ts'
import { byAge, newSetSize, replicasOf, sizeAnnotations } from './sizes.ts'

export const HASH_LABEL = 'pod-template-hash'

/** `changed`: sets that were not made as they were asked for, and why not. */
type RolloutContext = ControllerContext & { changed: Repeats }

export class Rollout {
  deployment: Deployment
  /** Old sets, oldest first, and the one of the present template. */
  old: ReplicaSet[] = []
  newest: ReplicaSet | undefined
  readonly context: RolloutContext
  /** How long the next set has to wait, since those before it were of no use. */
  #heldMs = 0

  constructor(deployment: Deployment, sets: readonly ReplicaSet[], context: RolloutContext) {
    this.deployment = deployment
    this.context = context
    const ordered = [...sets].sort(byAge)
    this.newest = ordered.find((set) => sameTemplate(set.spec?.template, deployment.spec?.template))
    this.old = ordered.filter((set) => set !== this.newest)
  }

  get all(): ReplicaSet[] {
    return this.newest ? [...this.old, this.newest] : [...this.old]
  }

  get activeOld(): ReplicaSet[] {
    return this.old.filter((set) => replicasOf(set) > 0)
  }

  get complete(): boolean {
    return isComplete(this.deployment, this.deployment.status)
  }

  /** Brings the newest set's annotations and the deployment's revision up to date; makes the set where `create` allows. */
  async syncNewest({ create }: { create: boolean }): Promise<void> {
    const newRevision = this.old.map(revisionOf).reduce((most, one) => (one > most ? one : most), 0n) + 1n
    if (this.newest) return this.#refreshNewest(this.newest, newRevision)
    if (create) await this.#createNewest(newRevision)
  }

  /** Changes a set's size and tells of it; leaves the sizes it was told with as annotations. */
  async scale(set: ReplicaSet, replicas: number): Promise<boolean> {
    const before = replicasOf(set)
    const annotations = { ...set.metadata?.annotations, ...sizeAnnotations(this.deployment) }
    if (before === replicas && sameAnnotations(annotations, set.metadata?.annotations)) return false
    const scaled = await this.context.client.update(ReplicaSet, {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...set.spec!, replicas },
    })
    this.#replace(set, scaled)
    if (before === replicas) return false
    const direction = before < replicas ? 'up' : 'down'
    this.tell('Normal', 'ScalingReplicaSet', `Scaled ${direction} replica set ${set.metadata?.name} from ${before} to ${replicas}`)
    return true
  }

  /** Writes the rollout's status if it changed. Returns when the progress deadline wants a look. */
  async syncStatus(): Promise<{ requeueAfterMs: number } | void> {
    const status = rolloutStatus(this.deployment, { all: this.all, newest: this.newest }, this.context.clock.now())
    await this.writeStatus(status)
    const waitMs = deadlineInMs(this.deployment, status, this.context.clock.now())
    const waits = [waitMs ?? 0, this.#heldMs].filter((ms) => ms > 0)
    if (waits.length > 0) return { requeueAfterMs: Math.min(...waits) }
  }

  /** Counts alone: while paused, being scaled or being deleted. */
  async syncCounts(): Promise<void> {
    await this.writeStatus(calculatedStatus(this.deployment, { all: this.all, newest: this.newest }, this.context.clock.now()))
  }

  async writeStatus(status: DeploymentStatus): Promise<void> {
    if (equal(normal(this.deployment.status), normal(status))) return
    this.deployment = await this.context.client.update(Deployment, { ...this.deployment, status }, { subresource: 'status' })
  }

  async setProgressing(value: string, reason: string, message: string): Promise<void> {
    const { status } = this.deployment
    const next = condition('Progressing', value, { reason, message, now: this.context.clock.now() })
    await this.writeStatus({ ...status, conditions: withCondition(status?.conditions, next) })
  }

  /** Deletes old sets that are empty, beyond the history the deployment keeps. */
  async cleanUp(): Promise<void> {
    const limit = this.deployment.spec?.revisionHistoryLimit
    if (limit === undefined || limit === 2_147_483_647) return
    const kept = this.old.filter((set) => !set.metadata?.deletionTimestamp)
    const surplus = kept.toSorted((a, b) => Number(revisionOf(a) - revisionOf(b)) || byAge(a, b)).slice(0, Math.max(0, kept.length - limit))
    for (const set of surplus) {
      const settled = (set.metadata?.generation ?? 0) <= (set.status?.observedGeneration ?? 0)
      if ((set.status?.replicas ?? 0) !== 0 || replicasOf(set) !== 0 || !settled) continue
      await this.context.client.delete(ReplicaSet, keyOf(set)).catch((error: unknown) => {
        if (!hasReason(error, 'NotFound')) throw error
      })
    }
  }

  tell(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.context.events.event(this.deployment, type, reason, message)
  }

  async #refreshNewest(set: ReplicaSet, newRevision: bigint): Promise<void> {
    const annotations = newSetAnnotations(this.deployment, set.metadata?.annotations ?? {}, newRevision)
    const minReadySeconds = this.deployment.spec?.minReadySeconds ?? 0
    if (!sameAnnotations(annotations, set.metadata?.annotations) || (set.spec?.minReadySeconds ?? 0) !== minReadySeconds) {
      const spec = { ...set.spec!, minReadySeconds }
      this.#replace(set, await this.context.client.update(ReplicaSet, { ...set, metadata: { ...set.metadata, annotations }, spec }))
    }
    await this.#setRevision(annotations[REVISION])
    if (hasDeadline(this.deployment) && !conditionOf(this.deployment.status?.conditions, 'Progressing')) {
      await this.setProgressing('True', 'FoundNewReplicaSet', `Found new replica set "${set.metadata?.name}"`)
    }
  }

  async #createNewest(newRevision: bigint): Promise<void> {
    const { deployment, context } = this
    const asked = `${deployment.metadata?.uid} ${templateHash(deployment.spec?.template)}`
    this.#heldMs = context.changed.waitMs(asked, 1, context.clock.now())
    if (this.#heldMs > 0) {
      const message = `Replica sets do not stay as they are made, the next has to wait. The last was ${context.changed.last(asked)}`
      this.tell('Warning', 'ReplicaSetsChanged', message)
      return this.cleanUp()
    }
    const hash = templateHash(deployment.spec?.template, deployment.status?.collisionCount)
    const set = newReplicaSet(deployment, hash)
    const replicas = newSetSize(deployment, this.old, set)
    const annotations = { ...newSetAnnotations(deployment, {}, newRevision), ...sizeAnnotations(deployment) }
    const wanted: ReplicaSet = { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec!, replicas } }
    try {
      this.newest = await context.client.create(ReplicaSet, wanted)
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) return this.#creationFailed(wanted, error)
      const present = await context.client.get(ReplicaSet, keyOf(wanted))
      if (!isControlledBy(present, deployment) || !sameTemplate(present.spec?.template, deployment.spec?.template)) {
        // The name is taken by another template: count the clash, so that the next pass finds another name.
        await this.writeStatus({ ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 })
        throw error
      }
      this.newest = present
      return
    }
    const name = this.newest.metadata?.name
    const why = changeOf(this.newest, deployment)
    if (why) context.changed.note(asked, `${name}: ${why}`, context.clock.now())
    if (replicas > 0) this.tell('Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${replicas}`)
    await this.#setRevision(annotations[REVISION])
    if (hasDeadline(deployment)) await this.setProgressing('True', 'NewReplicaSetCreated', `Created new replica set "${name}"`)
  }

  async #creationFailed(set: ReplicaSet, error: unknown): Promise<never> {
    if (isNamespaceTerminating(error)) throw error
    const message = `Failed to create new replica set "${set.metadata?.name}": ${textOf(error)}`
    if (hasDeadline(this.deployment)) await this.setProgressing('False', 'ReplicaSetCreateError', message)
    this.tell('Warning', 'ReplicaSetCreateError', message)
    throw error
  }

  async #setRevision(revision: string | undefined): Promise<void> {
    const { metadata } = this.deployment
    if (!revision || metadata?.annotations?.[REVISION] === revision) return
    const annotations = { ...metadata?.annotations, [REVISION]: revision }
    const noted = { ...this.deployment, metadata: { ...metadata, annotations } }
    // By the status, as upstream: nothing anyone asked for has changed, so there is no new generation.
    this.deployment = await this.context.client.update(Deployment, noted, { subresource: 'status' })
  }

  #replace(set: ReplicaSet, next: ReplicaSet): void {
    if (this.newest === set) this.newest = next
    else this.old = this.old.map((one) => (one === set ? next : one))
  }
}

/** Why the deployment will not know the set that was made for it; undefined where it will. */
function changeOf(set: ReplicaSet, deployment: Deployment): string | undefined {
  const isOurs = isControlledBy(set, deployment) && selectorMatches(deployment.spec?.selector, set.metadata?.labels)
  if (!isOurs) return 'it is not controlled by the deployment'
  return sameTemplate(set.spec?.template, deployment.spec?.template) ? undefined : 'it has another template'
}

function newReplicaSet(deployment: Deployment, hash: string): ReplicaSet {
  const { name, namespace } = deployment.metadata!
  const { template, selector, minReadySeconds } = deployment.spec!
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash }
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name}-${hash}`,
      namespace: namespace!,
      labels,
      ownerReferences: [controllerReference(Deployment, deployment)],
    },
    spec: {
      replicas: 0,
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}

/** Equal but for the hash label that the controller adds. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  const [left, right] = [withoutHash(a), withoutHash(b)]
  return equal(left, right) || canonical(left) === canonical(right)
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec {
  const { [HASH_LABEL]: _, ...labels } = template?.metadata?.labels ?? {}
  return { ...template, metadata: { ...template?.metadata, labels } }
}

function normal(status: DeploymentStatus | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(status ?? {}).filter(([, value]) => value !== 0 && value !== undefined))
}
