// Asks the admission plugins: all that change first, in order; later, with the object complete, all that judge.
import { Reinvocation } from '#server/admission/reinvocation.ts'
import type { AdmissionRequest } from '#server/request.ts'
import type { Engine, Write } from './engine.ts'

export type AdmissionCase = Omit<AdmissionRequest, 'reinvocation'>

/** What a write of a stored object is to those who admit it. */
export function admissionCase(write: Write, about: Pick<AdmissionCase, 'operation' | 'object' | 'oldObject'>): AdmissionCase {
  const { resource, attributes, dryRun, options, warn, annotate, within } = write
  const asked: AdmissionCase = { ...about, attributes, kind: resource.kind, dryRun, warn }
  if (options) asked.options = options
  if (annotate) asked.annotate = annotate
  if (within) asked.within = within
  return asked
}

/** Tells whether webhooks or policies changed the object. Waits only for those who do. */
export function mutatingAdmission(engine: Engine, request: AdmissionCase): Promise<boolean> | boolean {
  const reinvocation = new Reinvocation()
  const asked = { ...request, reinvocation }
  const ask = () => engine.admissionTimes.run('admit', engine.admission, asked)
  const pending = ask()
  return pending || reinvocation.needed ? again(reinvocation, pending, ask) : false
}

async function again(reinvocation: Reinvocation, first: Promise<void> | void, ask: () => Promise<void> | void): Promise<boolean> {
  await first
  if (!reinvocation.needed) return false
  reinvocation.again = true
  await ask()
  return true
}

export function validatingAdmission(engine: Engine, request: AdmissionCase): Promise<void> | void {
  return engine.admissionTimes.run('validate', engine.admission, request)
}
