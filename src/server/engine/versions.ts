// resourceVersion as reads give it: absent is "as fresh as can be", 0 "whatever you have", a number "at least this".
import { StatusError } from '#api/status.ts'
import { goQuoted } from '#lib/go-text.ts'
import { invalid } from '#api/field-error.ts'
import type { Engine } from './engine.ts'

const WAIT_MS = 3000

const UINT64_MAX = 2n ** 64n - 1n

/** Throws what upstream answers one that is none with, for a GET and a watch: no reason, and the code that goes without one. */
export function parseRevision(text: string | undefined): number | undefined {
  return parse(text, (words) => new StatusError('', words))
}

export function parseListRevision(text: string | undefined): number | undefined {
  return parse(text, (words) => new StatusError('BadRequest', `invalid resource version: ${words}`))
}

/** Versions no store can come to are told apart no more: all of them are too large. */
function parse(text: string | undefined, refusal: (words: string) => StatusError): number | undefined {
  if (text === undefined || text === '') return undefined
  const refuse = (why: string) => {
    const { field, message } = invalid('resourceVersion', text, `strconv.ParseUint: parsing ${goQuoted(text)}: ${why}`)
    return refusal(`${field}: ${message}`)
  }
  if (!/^\d+$/.test(text)) throw refuse('invalid syntax')
  // As many digits as matter: reading millions of them takes long.
  const digits = text.replace(/^0*/, '').slice(0, 21) || '0'
  if (BigInt(digits) > UINT64_MAX) throw refuse('value out of range')
  return Number(digits)
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
