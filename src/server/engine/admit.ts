// Asks the admission plugins: all that change first, in order; later, with the object complete, all that judge.
import type { Kind } from '#api/kind.ts'
import type { KubeObject } from '#api/object.ts'
import type { AdmissionRequest, RequestAttributes } from '#server/request.ts'
import type { Engine } from './engine.ts'

export interface AdmissionCase {
  attributes: RequestAttributes
  operation: AdmissionRequest['operation']
  kind: Kind
  object?: KubeObject
  oldObject?: KubeObject
  dryRun: boolean
  warn(text: string): void
}

export async function mutatingAdmission(engine: Engine, request: AdmissionCase): Promise<void> {
  for (const plugin of engine.admission) {
    const pending = plugin.admit?.(request)
    if (pending) await pending
  }
}

export async function validatingAdmission(engine: Engine, request: AdmissionCase): Promise<void> {
  for (const plugin of engine.admission) {
    const pending = plugin.validate?.(request)
    if (pending) await pending
  }
}
