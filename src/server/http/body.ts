// Reads a request's body whole, within bounds of size and time. An upload that breaks off is an error, never a short body.
import type { Readable } from 'node:stream'
import { StatusError } from '#api/status.ts'
import { ByteQueue } from '#lib/byte-queue.ts'
import type { Clock } from '#lib/clock.ts'
import { type BodyReader, LARGE_BYTES } from '#server/decoding/body-reader.ts'
import type { Call } from './call.ts'

const MAX_BODY_BYTES = 3 * 1024 * 1024
const BODY_TIMEOUT_MS = 60_000
const LATE = 'request did not complete within the allotted timeout'

const EMPTY = Buffer.alloc(0)

export interface BodyOptions {
  clock: Clock
  bodies: Pick<BodyReader, 'room'>
}

/** A large one is read once there is room for it, which it holds for as long as the call lasts. */
export async function readBody(call: Call, { clock, bodies }: BodyOptions): Promise<Buffer> {
  const { headers } = call.exchange
  const declared = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
  if (declared !== undefined && declared > MAX_BODY_BYTES) throw tooLarge()
  const makeRoom = async (bytes: number) => {
    const { user, within, exchange } = call
    call.room = await bodies.room.take(bytes, {
      user: user.username,
      signal: exchange.signal,
      ...(within ? { remainingMs: within.remainingMs() } : {}),
    })
  }
  const whole = call.exchange.takeWhole?.()
  if (whole) {
    if (declared !== undefined && declared !== whole.length) throw brokenOff()
    if (whole.length >= LARGE_BYTES) await makeRoom(whole.length)
    return whole
  }
  const { input } = call.exchange
  if (input.readableEnded) return EMPTY
  if (declared !== undefined && declared >= LARGE_BYTES) await makeRoom(declared)
  return readAll(input, { clock, declared, makeRoom })
}

interface Incoming {
  clock: Clock
  /** undefined: told by the end alone. */
  declared: number | undefined
  makeRoom(bytes: number): Promise<void>
}

function readAll(input: Readable, { clock, declared, makeRoom }: Incoming): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks = new ByteQueue()
    let over = false
    let hasRoom = declared !== undefined
    const begin = () => clock.after(BODY_TIMEOUT_MS, () => fail(new StatusError('Timeout', LATE)))
    let timer = begin()
    const finish = () => {
      over = true
      timer.cancel()
      input.off('data', take).off('end', end).off('aborted', broken).off('close', broken).off('error', broken)
    }
    const fail = (error: unknown) => {
      if (over) return
      finish()
      input.resume()
      reject(error)
    }
    const proceed = () => {
      if (over) return
      timer = begin()
      input.resume()
    }
    const take = (chunk: Buffer) => {
      chunks.add(chunk)
      if (chunks.length > MAX_BODY_BYTES) return fail(tooLarge())
      if (hasRoom || chunks.length < LARGE_BYTES) return
      // Nobody said how much it would be.
      hasRoom = true
      input.pause()
      timer.cancel()
      makeRoom(MAX_BODY_BYTES).then(proceed, fail)
    }
    const broken = () => fail(brokenOff())
    const end = () => {
      // An aborted HTTP/2 upload still tells "end", with a truncated body.
      if ((input as { aborted?: boolean }).aborted || (declared !== undefined && declared !== chunks.length)) return broken()
      finish()
      resolve(chunks.takeAll())
    }
    input.on('data', take).on('end', end).on('aborted', broken).on('close', broken).on('error', broken)
  })
}

function tooLarge(): StatusError {
  return new StatusError('RequestEntityTooLarge', `Request entity is too large: limit is ${MAX_BODY_BYTES}`)
}

function brokenOff(): StatusError {
  return new StatusError('BadRequest', 'the request was aborted before its body was complete')
}
