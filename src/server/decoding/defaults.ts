// The defaults of built-in kinds, where a large object of theirs is read: to fill them in takes as long as to read it.
import { builtinKinds } from '#api/kinds.ts'
import type { Job, Outcome } from './jobs.ts'

export function fillIn({ target }: Job & { read: 'object' }, outcome: Outcome): void {
  const { found, value, fault } = outcome
  // Whoever asked refuses it.
  if (fault || !value || (found && found.kind !== target.kind)) return
  const kind = builtinKinds.find(({ group, version, kind }) => group === target.group && version === target.version && kind === target.kind)
  kind?.default?.(value as never)
  outcome.decoded = true
}
