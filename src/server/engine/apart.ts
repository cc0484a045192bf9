// Sends the steps of a write over an object of very many fields to the thread that reads large bodies, so that they keep nobody else waiting.
// Built-in kinds that take their time by themselves (`validateFurther`) stay here. Whatever else is done here with such an object is done in slices.
import type { Wanted } from '#api/apply/conversions.ts'
import { freezing } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import type { GroupVersionKind, KubeObject } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import { Pace } from '#lib/paced.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { servedBytes } from './encoding.ts'
import { type Engine, LARGE_OBJECT_BYTES, type Write } from './engine.ts'
import type { Owner, Step, StepKind } from './steps.ts'
import { MAX_HEAVY_BYTES, MAX_OBJECT_BYTES, textOf } from './text-of.ts'

/** From here on a step over all members of an object takes milliseconds. */
const HEAVY_MEMBERS = 4000

type StepOnly = Step extends infer One ? (One extends Step ? Omit<One, keyof StepKind> : never) : never

/** Whether what is wanted, or what is there, is too much to be worked on here. */
export function isHeavy(
  { resource: { kind }, large }: Write,
  wanted: unknown,
  there?: { stored: StoredObject; present: KubeObject },
): boolean {
  const stored = there !== undefined && there.stored.bytes.length > LARGE_OBJECT_BYTES
  if (!large && !stored) return false
  if (!kind.madeOf && (kind.validateFurther || !builtinKinds.includes(kind))) return false
  return (large && leftOf(wanted, HEAVY_MEMBERS) <= 0) || (stored && leftOf(there.present, HEAVY_MEMBERS) <= 0)
}

/** Whether those who admit have made it too much. */
export function hasGrown(write: Write, object: KubeObject): boolean {
  return isHeavy(write.large ? write : { ...write, large: true }, object)
}

/** What is left of `most` after all members were counted. */
function leftOf(value: unknown, most: number): number {
  if (typeof value !== 'object' || value === null) return most
  const names = Array.isArray(value) ? undefined : Object.keys(value)
  let left = most - (names ?? (value as unknown[])).length - 1
  for (let i = 0; left > 0 && i < (names ?? (value as unknown[])).length; i++)
    left = leftOf((value as Record<string | number, unknown>)[names ? names[i]! : i], left)
  return left
}

interface StepWanted {
  step: StepOnly
  wanted: unknown
  stored: StoredObject | undefined
  /** A stranger converts between versions: how it is asked. */
  convert?: ((wanted: Wanted) => Promise<readonly KubeObject[] | undefined>) | undefined
}

/** Throws StatusError as the step itself would. */
export async function stepApart(engine: Engine, write: Write, { step, wanted, stored, convert }: StepWanted): Promise<unknown> {
  const { resource, warn } = write
  const siblings = engine.registry.siblings(resource).map(({ kind }) => kind)
  const texts = [
    await textOf(wanted, step.step === 'own' || step.step === 'judge' ? MAX_HEAVY_BYTES : MAX_OBJECT_BYTES),
    ...(stored ? [servedBytes(resource, stored)] : []),
  ]
  for (let answers = 0; ; answers++) {
    const asking = convert ? ({ ...step, answers } as StepOnly) : step
    const order = await kindStep(resource.kind, asking, { texts, siblings })
    const { value, warnings, refused, asks } = await engine.bodies.step(order.step, order.texts)
    if (asks) {
      texts.push(await textOf((await convert!(value as Wanted)) ?? null, Infinity))
      continue
    }
    for (const warning of warnings) warn(warning)
    if (refused) throw StatusError.from(value as Parameters<typeof StatusError.from>[0])
    return value
  }
}

/** The step with all that the thread has to know of the kind. */
export async function kindStep(
  kind: Kind,
  step: StepOnly,
  { texts, siblings = [] }: { texts: readonly Uint8Array[]; siblings?: readonly Kind[] },
): Promise<{ step: Step; texts: readonly Uint8Array[] }> {
  const custom = kind.madeOf
  return {
    step: { ...step, kind: nameOf(kind), siblings: siblings.map(nameOf), ...(custom ? { custom: true } : {}) } as Step,
    texts: custom ? [...texts, await textOf(custom, MAX_OBJECT_BYTES)] : texts,
  }
}

export function ownerOf(engine: Engine, { fieldManager, attributes: { subresource } }: Write): Owner {
  return { manager: fieldManager, subresource, now: engine.clock.now() }
}

function nameOf({ group, version, kind }: GroupVersionKind): GroupVersionKind {
  return { group, version, kind }
}

const FREEZE_MEMBERS = 4000

/** Freezes what is below an object's parts, in slices: the object and its metadata stay as they are. */
export async function freezeParts({ metadata, ...rest }: KubeObject): Promise<void> {
  const pace = new Pace(FREEZE_MEMBERS)
  for (const part of [...Object.values(metadata ?? {}), ...Object.values(rest)]) await pace.run(freezing(part))
}
