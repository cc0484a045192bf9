// The thread that reads large bodies. It knows no objects of the cluster: bytes come in, values in pieces go out.
import { parentPort } from 'node:worker_threads'
import { writeBigIntegers } from '#lib/exact-json.ts'
import type { Step, StepOutcome } from '#server/engine/steps.ts'
import { carryOut, type Job, type Outcome } from './jobs.ts'
import { type Piece, piecesOf } from './pieces.ts'

export type Order = { job: Job; body: Uint8Array } | StepOrder

export interface StepOrder {
  step: Step
  texts: readonly Uint8Array[]
}

export type Answer = { outcome: Omit<Outcome, 'value'> | Omit<StepOutcome, 'value'>; pieces?: Piece[] } | { error: string }

writeBigIntegers()
parentPort!.on('message', async (order: Order) => parentPort!.postMessage(await answer(order)))

async function answer(order: Order): Promise<Answer> {
  try {
    const { value, ...outcome } = 'step' in order ? await stepped(order) : await carriedOut(order)
    return value === undefined ? { outcome } : { outcome, pieces: piecesOf(value) }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

async function carriedOut({ job, body }: { job: Job; body: Uint8Array }): Promise<Outcome> {
  const outcome = carryOut(job, body)
  if (job.read === 'object' && job.defaults) {
    const { fillIn } = await import('./defaults.ts')
    fillIn(job, outcome)
  }
  return outcome
}

/** The rules of all kinds are loaded when they are needed. */
async function stepped({ step, texts }: StepOrder): Promise<StepOutcome> {
  const { carryOutStep } = await import('#server/engine/steps.ts')
  return carryOutStep(step, texts)
}
