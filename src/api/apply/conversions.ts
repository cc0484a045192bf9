// Objects in other versions, asked for in the middle of a computation: who carries it out knows whether they are at hand or a stranger has to make them.
import type { KubeObject } from '#api/object.ts'
import { nextTurn } from '#lib/paced.ts'
import type { Schema } from '#api/schema.ts'

/** The same objects, in order, in that version. */
export interface Wanted {
  objects: readonly KubeObject[]
  apiVersion: string
}

/** Between two walks over all of an object, where others may have a turn. */
export const PAUSE = undefined

/** `undefined`: they cannot be converted now. */
export type Converting<T> = Generator<Wanted | typeof PAUSE, T, readonly KubeObject[] | undefined>

export interface Versions {
  /** undefined for versions that are gone, whose managers are then forgotten. */
  schemaOf(apiVersion: string): Schema | undefined
  /** At once; where that cannot be, whoever asked for the computation has to (`settleLater`). */
  convert(wanted: Wanted): readonly KubeObject[]
}

export function settle<T>(work: Converting<T>, versions: Versions | undefined): T {
  let step = work.next()
  while (!step.done) step = work.next(step.value && versions?.convert(step.value))
  return step.value
}

export async function settleLater<T>(
  work: Converting<T>,
  convert: (wanted: Wanted) => Promise<readonly KubeObject[] | undefined>,
): Promise<T> {
  let step = work.next()
  while (!step.done) {
    if (!step.value) await nextTurn()
    step = work.next(step.value && (await convert(step.value)))
  }
  return step.value
}
