// An endpoint outside the resources: which paths it serves and how it answers a GET.
import type { Call } from '#server/http/call.ts'

export interface Endpoint {
  /** As `/` lists it; absent: not listed. */
  readonly path?: string
  serves(path: string): boolean
  answer(call: Call): Promise<void> | void
}
