// An endpoint outside the resources: which paths it serves and how it answers.
import type { Call } from '#server/http/call.ts'

export interface Endpoint {
  /** As `/` lists it; absent: not listed. */
  readonly path?: string
  /** Absent: any, as upstream serves what is no route of its own. */
  readonly methods?: readonly string[]
  serves(path: string): boolean
  answer(call: Call): Promise<void> | void
}
