// A stage as it is played: its selector and expressions, read once. Knows nothing of time passing.
import { BOOL, celEnvironment, CelError, type CelProgram, compileCel, DYN, STRING } from '#api/cel/environment.ts'
import { isObject } from '#api/clone.ts'
import { matchesLabels, selectorOf } from '#api/label-selector.ts'
import type { KubeObject } from '#api/object.ts'
import type { Stage, StageSpec } from './stage.ts'

export interface PlayedStage {
  readonly name: string
  readonly uid: string
  readonly weight: number
  readonly spec: StageSpec
  /** Whether the object is where the stage begins. An expression that fails means no. */
  fits(object: KubeObject, now: string): boolean
  /** What is merged into the status; undefined: nothing is. Throws CelError. */
  statusOf(object: KubeObject, now: string): Record<string, unknown>[]
}

const ENVIRONMENT = () => celEnvironment({ variables: { object: DYN, now: STRING } })

/** Throws Error that says what is wrong with it. */
export function compileStage({ metadata, spec }: Stage): PlayedStage {
  const { selector = {}, next } = spec
  const environment = ENVIRONMENT()
  const compiled = (field: string, source: string, expects?: Parameters<typeof compileCel>[2]): CelProgram => {
    try {
      return compileCel(source, environment, expects)
    } catch (error) {
      if (error instanceof CelError) throw new Error(`${field}: ${error.message}`, { cause: error })
      throw error
    }
  }
  const when = spec.when === undefined ? undefined : compiled('spec.when', spec.when, { expects: [BOOL] })
  const made = next.statusExpression === undefined ? undefined : compiled('spec.next.statusExpression', next.statusExpression)
  if (made && made.type.kind !== 'map' && made.type.kind !== 'dyn') throw new Error('spec.next.statusExpression: must evaluate to map')
  const { matchLabels, matchExpressions, matchAnnotations = {}, namespaces } = selector
  const labels = selectorOf({ ...(matchLabels ? { matchLabels } : {}), ...(matchExpressions ? { matchExpressions } : {}) })
  const annotations = Object.entries(matchAnnotations)
  return {
    name: metadata!.name!,
    uid: metadata!.uid!,
    weight: spec.weight ?? 1,
    spec,
    fits(object, now) {
      const meta = object.metadata ?? {}
      if (namespaces && !namespaces.includes(meta.namespace ?? '')) return false
      if (!matchesLabels(labels, meta.labels)) return false
      if (annotations.some(([key, value]) => !Object.hasOwn(meta.annotations ?? {}, key) || meta.annotations![key] !== value)) return false
      if (!when) return true
      try {
        return when.evaluate({ object, now }) === true
      } catch (error) {
        // A field that is not there yet: the object has not come so far.
        if (error instanceof CelError) return false
        throw error
      }
    },
    statusOf(object, now) {
      const parts = next.status ? [next.status] : []
      const more = made?.evaluate({ object, now })
      if (made && !isObject(more)) throw new Error('spec.next.statusExpression did not evaluate to a map')
      return isObject(more) ? [...parts, more] : parts
    },
  }
}
