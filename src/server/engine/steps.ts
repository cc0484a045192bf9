// The steps of a write that follow from its objects and its kind alone, each from texts to a value: done where nobody waits for them, in the thread
// that reads large bodies. What they come to is what the engine's own functions come to, because these are called.
import { type Converting, settle, type Wanted } from '#api/apply/conversions.ts'
import { applying } from '#api/apply/server-side-apply.ts'
import { trackingUpdate } from '#api/apply/track-update.ts'
import type { Ownership } from '#api/apply/update.ts'
import { validateObjectMeta, validateObjectMetaUpdate } from '#api/meta/object-meta.ts'
import type { FieldValidation } from '#api/codec/decode-body.ts'
import { customKinds } from '#api/custom/custom-kind.ts'
import { equal } from '#api/equal.ts'
import type { FieldError } from '#api/field-error.ts'
import type { CustomResourceDefinition } from '#api/generated/types.ts'
import type { HookContext, Kind } from '#api/kind.ts'
import { builtinKinds } from '#api/kinds.ts'
import type { GroupVersionKind, KubeObject } from '#api/object.ts'
import { patchObject, type PatchBody } from '#api/patch/patch.ts'
import { parseNumerals } from '#api/schema/numeral.ts'
import { invalidError, StatusError } from '#api/status.ts'
import { type ItemForm, itemPart } from '#server/http/list-forms.ts'
import { parseExactly } from '#lib/exact-json.ts'
import { decodePatched } from './decode.ts'
import { encodeForStore, headOf } from './encoding.ts'
import { ownershipOf } from './field-managers.ts'
import { isUnchanged } from './unchanged.ts'

export interface StepKind {
  kind: GroupVersionKind
  /** It is a custom kind: the last of the texts is its definition. */
  custom?: true
  /** All served versions of it. */
  siblings: readonly GroupVersionKind[]
}

/** Where a stranger converts between versions, the step ends when it has to be asked, and is done again with what it has answered so far. */
interface Asking {
  /** How many answers there are: the last of the texts, but for the definition. Absent: nobody is to be asked. */
  answers?: number
}

export interface Owner {
  manager: string
  subresource: string
  now: number
}

/** Texts: what is wanted (`apply`, `patch`: the patch), then what is there, if anything. */
export type Step = StepKind &
  (
    | ({ step: 'apply'; owner: Owner; force: boolean; fieldValidation: FieldValidation } & Asking)
    | ({ step: 'patch'; fieldValidation: FieldValidation } & Omit<PatchBody, 'patch'>)
    | ({ step: 'own'; owner: Owner } & Asking)
    | { step: 'show'; converted: boolean }
    | { step: 'item'; form: ItemForm }
    | { step: 'judge'; context: Pick<HookContext, 'now' | 'user' | 'subresource'> }
  )

export interface StepOutcome {
  /** `apply`, `patch`: the object. `own`: its field managers, or null. `show`: its text. `judge`: a Judgement. */
  value?: unknown
  /** `item`: the object as it stands in a list of that form. */
  bytes?: Uint8Array
  warnings: string[]
  /** `value` is the Status of a refusal. */
  refused?: true
  /** `value` is what is to be converted: a Wanted. */
  asks?: true
}

export interface Judgement {
  /** Where more is to be asked about it (`validateFurther`): what is wrong so far. */
  errors: FieldError[]
  /** The object is as it was, but for times of its field managers. */
  unchanged: boolean
}

/** Throws only what is a fault of the program. */
export function carryOutStep(step: Step, texts: readonly Uint8Array[]): StepOutcome {
  const warnings: string[] = []
  const kinds: readonly Kind<any>[] = step.custom ? customKinds(parse(texts.at(-1)!) as CustomResourceDefinition) : builtinKinds
  const own = step.custom ? texts.slice(0, -1) : texts
  const given = 'answers' in step ? (step.answers ?? 0) : 0
  const [wanted, there] = own.slice(0, own.length - given)
  try {
    if (step.step === 'item') {
      const part = itemPart(kindNamed(kinds, step.kind), parse(wanted!) as KubeObject, step.form)
      return { bytes: typeof part === 'string' ? Buffer.from(part) : part, warnings }
    }
    const present = there && (parse(there) as KubeObject)
    const asked = step.step === 'patch' && step.numerals ? parseNumerals(textOf(wanted!)) : parse(wanted!)
    const answers = own.slice(own.length - given).map((text) => (parse(text) as KubeObject[] | null) ?? undefined)
    return { value: valueOf(step, asked, { kinds, present, answers, warn: (text) => warnings.push(text) }), warnings }
  } catch (error) {
    if (error instanceof Question) return { value: error.wanted, warnings, asks: true }
    if (!(error instanceof StatusError)) throw error
    return { value: error.toStatus(), warnings, refused: true }
  }
}

interface Circumstances {
  kinds: readonly Kind<any>[]
  present: KubeObject | undefined
  /** A stranger's; undefined: it could not be asked. */
  answers: readonly (readonly KubeObject[] | undefined)[]
  warn(text: string): void
}

/** Only a stranger can tell. */
class Question extends Error {
  readonly wanted: Wanted

  constructor(wanted: Wanted) {
    super('a stranger is to be asked')
    this.wanted = wanted
  }
}

function settled<T>(work: Converting<T>, { versions }: Ownership, answers: Circumstances['answers'] | undefined): T {
  if (!answers) return settle(work, versions)
  let next = 0
  let step = work.next()
  while (!step.done) {
    if (step.value && next === answers.length) throw new Question(step.value)
    step = work.next(step.value && answers[next++])
  }
  return step.value
}

function kindNamed(kinds: readonly Kind<any>[], wanted: GroupVersionKind): Kind<any> {
  return kinds.find(({ group, version, kind }) => equal({ group, version, kind }, wanted))!
}

function valueOf(step: Exclude<Step, { step: 'item' }>, wanted: unknown, { kinds, present, answers, warn }: Circumstances): unknown {
  const named = (wanted: GroupVersionKind) => kindNamed(kinds, wanted)
  const kind = named(step.kind)
  const siblings = step.siblings.map(named)
  switch (step.step) {
    case 'apply': {
      const { force, fieldValidation } = step
      const options = { ...trackOptions(kind, siblings, step.owner), kind, force }
      const merged = settled(applying(present, wanted as KubeObject, options), options, step.answers === undefined ? undefined : answers)
      return decodePatched(kind, merged, { fieldValidation, warn })
    }
    case 'patch': {
      const { type, numerals, complaints, fieldValidation } = step
      const patch: PatchBody = { type, patch: wanted, ...(numerals ? { numerals } : {}), ...(complaints ? { complaints } : {}) }
      const isKnown = (found: GroupVersionKind) => named(found) !== undefined
      return decodePatched(kind, patchObject(present!, patch, kind.schema), { fieldValidation, warn, patch, isKnown })
    }
    case 'own': {
      const next = wanted as KubeObject
      const options = trackOptions(kind, siblings, step.owner)
      settled(trackingUpdate(present, next, options), options, step.answers === undefined ? undefined : answers)
      return next.metadata?.managedFields ?? null
    }
    case 'show': {
      // Where a stranger converted it, it only loses what is not known.
      if (step.converted) kind.decode?.(wanted as KubeObject)
      const shown = !step.converted && kind.convert ? kind.convert.fromStorage(wanted as KubeObject) : (wanted as KubeObject)
      return encodeForStore({ kind, head: headOf(kind), converts: false }, shown).bytes.toString('utf8')
    }
    default:
      return judged(kind, wanted as KubeObject, { present, context: step.context })
  }
}

function judged(
  kind: Kind,
  next: KubeObject,
  { present, context }: { present: KubeObject | undefined; context: Pick<HookContext, 'now' | 'user' | 'subresource'> },
): Judgement {
  const meta = next.metadata!
  const errors = present ? validateObjectMetaUpdate(meta, present.metadata!, kind) : validateObjectMeta(kind, meta)
  for (const error of kind.validate?.(next, present, { ...context, uuid }) ?? []) errors.push(error)
  if (errors.length > 0 && !kind.validateFurther) throw invalidError(kind, meta.name ?? '', errors)
  return { errors, unchanged: present !== undefined && isUnchanged(kind, next, present) }
}

function uuid(): never {
  throw new Error('no kind makes identities while it validates')
}

function trackOptions(kind: Kind, siblings: readonly Kind[], { manager, subresource, now }: Owner) {
  return { ...ownershipOf(kind, { siblings, subresource }), manager, now, ...(subresource ? { subresource } : {}) }
}

const parse = (text: Uint8Array): unknown => parseExactly(textOf(text))

function textOf(text: Uint8Array): string {
  return Buffer.from(text.buffer, text.byteOffset, text.length).toString('utf8')
}
