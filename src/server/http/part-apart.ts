// A large object in another form than the stored one, made by the thread that reads large bodies.
import type { StoredObject } from '#server/cache/stored-object.ts'
import { kindStep } from '#server/engine/apart.ts'
import { servedBytes } from '#server/engine/encoding.ts'
import type { Engine } from '#server/engine/engine.ts'
import type { Resource } from '#server/registry.ts'
import type { ItemForm } from './list-forms.ts'

export async function partApart(
  engine: Engine,
  resource: Resource,
  { stored, form }: { stored: StoredObject; form: ItemForm },
): Promise<Uint8Array> {
  await resource.large?.prepare(stored)
  const { step, texts } = await kindStep(resource.kind, { step: 'item', form }, { texts: [servedBytes(resource, stored)] })
  const { bytes } = await engine.bodies.step(step, texts)
  return bytes!
}
