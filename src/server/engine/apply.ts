// Server-side apply: PATCH with what one manager wants of an object, which it may also be the first to want.
import type { Wanted } from '#api/apply/conversions.ts'
import { clone } from '#api/clone.ts'
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { StatusError } from '#api/status.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { isHeavy, ownerOf, stepApart } from './apart.ts'
import { decodePatched, type FieldValidation } from './decode.ts'
import type { Engine, Write, Written } from './engine.ts'
import { applied, asksStranger, converted } from './field-managers.ts'
import { checkNames, updateObject } from './update.ts'

export interface ApplyRequest {
  key: ObjectKey
  patch: KubeObject
  force: boolean
  fieldValidation: FieldValidation
}

export function applyObject(engine: Engine, write: Write, { key, patch, force, fieldValidation }: ApplyRequest): Promise<Written> {
  const { kind } = write.resource
  if (patch.metadata?.name === undefined) patch.metadata = { ...patch.metadata, name: key.name }
  if (patch.metadata.name !== key.name)
    throw new StatusError('BadRequest', `the name of the object (${patch.metadata.name}) does not match the name on the URL (${key.name})`)
  if (patch.kind !== kind.kind)
    throw new StatusError(
      'BadRequest',
      `Incorrect kind specified in apply patch. Specified patch kind: ${patch.kind ?? ''}, expected: ${kind.kind}`,
    )
  const finish = (merged: KubeObject): KubeObject => {
    const next = decodePatched(kind, clone(merged), { fieldValidation, warn: write.warn })
    checkNames(write, key, next)
    return next
  }
  const buildApart = async (stored: StoredObject | undefined, present: KubeObject | undefined): Promise<KubeObject> => {
    const step = { step: 'apply', owner: ownerOf(engine, write), force, fieldValidation } as const
    const convert = asksStranger(write, present) ? (wanted: Wanted) => converted(engine, write, wanted) : undefined
    const next = (await stepApart(engine, write, { step, wanted: patch, stored, convert })) as KubeObject
    checkNames(write, key, next)
    return next
  }
  return updateObject(engine, write, {
    key,
    change: {
      create: !write.attributes.subresource,
      managed: true,
      waits: patch.metadata.resourceVersion === undefined,
      build(present, stored) {
        const there = stored && present && { stored, present }
        if (isHeavy(write, patch, there)) return buildApart(stored, present)
        const merged = applied(engine, write, { present, patch, force })
        return merged instanceof Promise ? merged.then(finish) : finish(merged)
      },
    },
  })
}
