// The kind's own hooks and the write hooks, as every verb calls them.
import type { HookContext } from '#api/kind.ts'
import { invalidError } from '#api/status.ts'
import type { FieldError } from '#api/field-error.ts'
import type { KubeObject } from '#api/object.ts'
import type { WriteEffect } from '#server/request.ts'
import type { Engine, Write } from './engine.ts'

export function hookContext(engine: Engine, { attributes }: Write): HookContext {
  const context: HookContext = { now: engine.clock.now(), uuid: () => engine.random.uuid(), user: attributes.user }
  if (attributes.subresource) context.subresource = attributes.subresource
  return context
}

/** Asks the kind about what is to be written; refuses with these errors and all it finds. */
export async function refuseInvalid(
  { resource: { kind }, warn }: Write,
  { next, previous, context }: { next: KubeObject; previous?: KubeObject; context: HookContext },
  errors: FieldError[],
): Promise<void> {
  errors.push(...(kind.validate?.(next, previous, context) ?? []))
  if (kind.validateFurther) errors.push(...(await kind.validateFurther(next, previous, { ...context, errors, warn })))
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
