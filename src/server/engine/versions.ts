// resourceVersion as reads give it: absent is "as fresh as can be", 0 "whatever you have", a number "at least this".
import { StatusError } from '#api/status.ts'
import { type FieldError, invalid } from '#api/field-error.ts'
import { invalidError } from '#api/status.ts'
import type { Engine } from './engine.ts'

const WAIT_MS = 3000

export function parseRevision(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(revision)) {
    const { field, message } = malformed(text)
    throw new StatusError('BadRequest', `invalid resource version: ${field}: ${message}`)
  }
  return revision
}

/** The same for a watch, which words it as a fault of the object. */
export function parseWatchRevision({ group, plural }: { group: string; plural: string }, text: string | undefined): number | undefined {
  try {
    return parseRevision(text)
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    throw invalidError({ group, kind: plural }, '', [malformed(text!)])
  }
}

function malformed(text: string): FieldError {
  return invalid('resourceVersion', text, `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`)
}

/** Waits until the mirror is as fresh as asked; undefined: it is already. Throws Timeout for versions from the future. */
export function freshEnough(engine: Engine, revision: number | undefined): Promise<void> | undefined {
  const { mirror } = engine
  if (revision === 0) return undefined
  if (revision === undefined) return mirror.fresh()
  const pending = mirror.seen(revision)
  if (!pending) return undefined
  return new Promise((resolve, reject) => {
    const timer = engine.clock.after(WAIT_MS, () => reject(tooLarge(revision, mirror.revision)))
    void pending.then(() => {
      timer.cancel()
      resolve()
    })
  })
}

export function tooLarge(revision: number, current: number): StatusError {
  return new StatusError('Timeout', `Timeout: Too large resource version: ${revision}, current: ${current}`, {
    details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }], retryAfterSeconds: 1 },
  })
}

export function tooOld(revision: number, oldest: number): StatusError {
  return new StatusError('Expired', `too old resource version: ${revision} (${oldest})`)
}
