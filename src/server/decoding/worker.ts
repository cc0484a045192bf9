// The thread that reads large bodies. It knows no objects of the cluster: bytes come in, values in pieces go out.
import { parentPort } from 'node:worker_threads'
import { carryOut, type Job, type Outcome } from './jobs.ts'
import { type Piece, piecesOf } from './pieces.ts'

export interface Order {
  job: Job
  body: Uint8Array
}

export type Answer = { outcome: Omit<Outcome, 'value'>; pieces?: Piece[] } | { error: string }

parentPort!.on('message', ({ job, body }: Order) => parentPort!.postMessage(answer(job, body)))

function answer(job: Job, body: Uint8Array): Answer {
  try {
    const { value, ...outcome } = carryOut(job, body)
    return value === undefined ? { outcome } : { outcome, pieces: piecesOf(value) }
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
