// The kind's own hooks and the write hooks, as every verb calls them.
import type { HookContext, Kind } from '#api/kind.ts'
import { invalidError } from '#api/status.ts'
import type { FieldError } from '#api/field-error.ts'
import { validateObjectMeta, validateObjectMetaUpdate } from '#api/meta/object-meta.ts'
import type { KubeObject } from '#api/object.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import type { WriteEffect, WriteHook } from '#server/request.ts'
import { stepApart } from './apart.ts'
import type { Engine, Write } from './engine.ts'
import type { Judgement } from './steps.ts'

export function hookContext(engine: Engine, { attributes }: Write): HookContext {
  const context: HookContext = { now: engine.clock.now(), uuid: () => engine.random.uuid(), user: attributes.user }
  if (attributes.subresource) context.subresource = attributes.subresource
  return context
}

interface Judged {
  next: KubeObject
  previous?: KubeObject
  stored?: StoredObject
  context: HookContext
  /** Too much to be worked on here. */
  heavy: boolean
}

/**
 * Asks the kind about what is to be written; refuses with all that is found. Waits only for what takes its time. Tells, where it was found out on the
 * way, whether nothing changes.
 */
export function refuseInvalid(engine: Engine, write: Write, judged: Judged): Promise<boolean | undefined> | undefined {
  if (judged.heavy) return judgeApart(engine, write, judged)
  const { next, previous, context } = judged
  const { kind } = write.resource
  const meta = next.metadata!
  const errors = previous ? validateObjectMetaUpdate(meta, previous.metadata!, kind) : validateObjectMeta(kind, meta)
  for (const error of kind.validate?.(next, previous, context) ?? []) errors.push(error)
  if (kind.validateFurther) return judgeFurther(write, judged, errors).then(() => undefined)
  refuseAny(kind, next, errors)
  return undefined
}

async function judgeApart(engine: Engine, write: Write, judged: Judged): Promise<boolean> {
  const { next, stored, context } = judged
  const { uuid: _, ...about } = context
  const step = { step: 'judge', context: about } as const
  const { errors, unchanged } = (await stepApart(engine, write, { step, wanted: next, stored })) as Judgement
  await judgeFurther(write, judged, errors)
  return unchanged
}

async function judgeFurther({ resource: { kind }, warn }: Write, { next, previous, context }: Judged, errors: FieldError[]): Promise<void> {
  if (kind.validateFurther) for (const error of await kind.validateFurther(next, previous, { ...context, errors, warn })) errors.push(error)
  refuseAny(kind, next, errors)
}

function refuseAny(kind: Kind, { metadata }: KubeObject, errors: FieldError[]): void {
  if (errors.length > 0) throw invalidError(kind, metadata?.name ?? '', errors)
}

interface Changed {
  next: KubeObject | undefined
  previous: KubeObject | undefined
}

/** Allocations made for a write that may still fail. Disposing without `commit` takes them back. */
export class Effects implements Disposable {
  #effects: WriteEffect[] = []
  #committed = false

  /** Nothing to wait for where no hook concerns the kind. */
  begin(engine: Engine, write: Write, next: KubeObject | undefined, previous: KubeObject | undefined): Promise<void> | void {
    const hooks = engine.writeHooks.get(write.resource.kind)
    if (hooks && !write.attributes.subresource) return this.#take(hooks, write, { next, previous })
  }

  async #take(hooks: readonly WriteHook[], { dryRun }: Write, { next, previous }: Changed): Promise<void> {
    for (const hook of hooks) this.#effects.push(await hook.begin(next, previous, { dryRun }))
  }

  commit(): void {
    this.#committed = true
    for (const effect of this.#effects) effect.commit?.()
  }

  [Symbol.dispose](): void {
    if (this.#committed) return
    for (const effect of this.#effects.toReversed()) effect.undo?.()
  }
}
