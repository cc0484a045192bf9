// The kind's own hooks and the write hooks, as every verb calls them.
import type { HookContext } from '#api/kind.ts'
import { invalidError } from '#api/status.ts'
import type { FieldError } from '#api/field-error.ts'
import { validateObjectMeta, validateObjectMetaUpdate } from '#api/meta/object-meta.ts'
import type { KubeObject } from '#api/object.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import type { WriteEffect } from '#server/request.ts'
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

/** Asks the kind about what is to be written; refuses with all that is found. Tells, where it was found out on the way, whether nothing changes. */
export async function refuseInvalid(
  engine: Engine,
  write: Write,
  { next, previous, stored, context, heavy }: Judged,
): Promise<boolean | undefined> {
  const { kind } = write.resource
  if (heavy) {
    const { uuid: _, ...about } = context
    const step = { step: 'judge', context: about } as const
    const { errors, unchanged } = (await stepApart(engine, write, { step, wanted: next, stored })) as Judgement
    await refuseAll(write, { next, previous, context }, errors)
    return unchanged
  }
  const meta = next.metadata!
  const errors = previous ? validateObjectMetaUpdate(meta, previous.metadata!, kind) : validateObjectMeta(kind, meta)
  for (const error of kind.validate?.(next, previous, context) ?? []) errors.push(error)
  await refuseAll(write, { next, previous, context }, errors)
  return undefined
}

async function refuseAll(
  { resource: { kind }, warn }: Write,
  { next, previous, context }: Pick<Judged, 'next' | 'context'> & { previous: KubeObject | undefined },
  errors: FieldError[],
): Promise<void> {
  if (kind.validateFurther) for (const error of await kind.validateFurther(next, previous, { ...context, errors, warn })) errors.push(error)
  if (errors.length > 0) throw invalidError(kind, next.metadata?.name ?? '', errors)
}

/** Allocations made for a write that may still fail. Disposing without `commit` takes them back. */
export class Effects implements Disposable {
  #effects: WriteEffect[] = []
  #committed = false

  async begin(engine: Engine, write: Write, next: KubeObject | undefined, previous: KubeObject | undefined): Promise<void> {
    if (write.attributes.subresource) return
    for (const hook of engine.writeHooks.get(write.resource.kind) ?? [])
      this.#effects.push(await hook.begin(next, previous, { dryRun: write.dryRun }))
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
