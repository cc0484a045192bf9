// PATCH: what the patch makes of the present object, decoded and defaulted like anything a client sends. Tried again on the newest version
// when another writer was faster, because a patch says what it wants, not what it saw.
import type { KubeObject, ObjectKey } from '#api/object.ts'
import { ownOutcome, patchObject, type PatchBody } from '#api/patch/patch.ts'
import { notFoundError } from '#api/status.ts'
import { nextTurn } from '#lib/paced.ts'
import type { StoredObject } from '#server/cache/stored-object.ts'
import { isHeavy, stepApart } from './apart.ts'
import type { Engine, Write, Written } from './engine.ts'
import { decodePatched, type FieldValidation, leavesRest } from './decode.ts'
import { checkNames, updateObject } from './update.ts'

export interface PatchRequest {
  key: ObjectKey
  patch: PatchBody
  fieldValidation: FieldValidation
}

export function patchStored(engine: Engine, write: Write, { key, patch, fieldValidation }: PatchRequest): Promise<Written> {
  const { kind } = write.resource
  const finish = (patched: KubeObject, present?: KubeObject): KubeObject => {
    const next = decodePatched(kind, patched, { fieldValidation, warn: write.warn, patch, present, isKnown: engine.registry.knows })
    checkNames(write, key, next)
    return next
  }
  const buildApart = async (stored: StoredObject): Promise<KubeObject> => {
    const { patch: wanted, ...rest } = patch
    const step = { step: 'patch', ...rest, fieldValidation } as const
    const next = (await stepApart(engine, write, { step, wanted, stored })) as KubeObject
    checkNames(write, key, next)
    return next
  }
  return updateObject(engine, write, {
    key,
    change: {
      waits: !namesVersion(patch),
      build(present: KubeObject | undefined, stored: StoredObject | undefined) {
        if (!present) throw notFoundError(kind, key.name)
        if (stored && isHeavy(write, patch.patch, { stored, present })) return buildApart(stored)
        const patched = patchObject(present, patch, kind.schema)
        if (write.large) return inSteps(() => ownOutcome(patched, patch), finish)
        const ofStatus = write.attributes.subresource === 'status' && !patch.numerals && leavesRest(kind, patched, present)
        return ofStatus ? finish(patched, present) : finish(ownOutcome(patched, patch))
      },
    },
  })
}

/** Whether it is made for one version of the object: whoever waits comes too late. */
function namesVersion({ type, patch }: PatchBody): boolean {
  if (type !== 'json') return (patch as KubeObject | null)?.metadata?.resourceVersion !== undefined
  return Array.isArray(patch) && patch.some((one: { path?: unknown } | null) => one?.path === '/metadata/resourceVersion')
}

async function inSteps(copy: () => KubeObject, finish: (own: KubeObject) => KubeObject): Promise<KubeObject> {
  await nextTurn()
  const own = copy()
  await nextTurn()
  return finish(own)
}
