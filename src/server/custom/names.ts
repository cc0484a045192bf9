// Which names a definition is granted: each goes to whoever of its group had it first. Tells the status a definition should have; writes nothing.
import { clone } from '#api/clone.ts'
import { isConditionTrue } from '#api/conditions.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '#api/generated/types.ts'
import { NOT_APPROVED, approvalOf, needsApproval } from '#api/kinds/apiextensions/approval.ts'
import { setCondition } from '#api/kinds/apiextensions/custom-resource-definition.ts'

/** Names somebody of a group has been granted. */
export interface Holder {
  uid: string
  group: string
  names: CustomResourceDefinitionNames | undefined
}

export const holderOf = ({ metadata, spec, status }: CustomResourceDefinition): Holder => ({
  uid: metadata?.uid ?? '',
  group: spec.group,
  names: status?.acceptedNames,
})

/** A copy with the status names call for. */
export function withNames(definition: CustomResourceDefinition, others: Iterable<Holder>, now: string): CustomResourceDefinition {
  const next = { ...definition, status: clone(definition.status ?? {}) }
  const { granted, conflict } = grant(definition, others)
  next.status = { ...next.status, acceptedNames: granted }
  setCondition(next, {
    type: 'NamesAccepted',
    ...(conflict ? { status: 'False', ...conflict } : { status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }),
    lastTransitionTime: now,
  })
  const established = !conflict || isConditionTrue(definition.status?.conditions, 'Established')
  setCondition(next, {
    type: 'Established',
    ...(established
      ? { status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' }
      : { status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' }),
    lastTransitionTime: now,
  })
  const approval = conditionOfApproval(definition)
  if (approval) setCondition(next, { type: 'KubernetesAPIApprovalPolicyConformant', ...approval, lastTransitionTime: now })
  const { generation } = definition.metadata ?? {}
  if (generation === undefined) return next
  next.status.observedGeneration = generation
  for (const condition of next.status.conditions ?? []) condition.observedGeneration = generation
  return next
}

interface Grant {
  granted: CustomResourceDefinitionNames
  conflict: { reason: string; message: string } | undefined
}

function grant({ spec, status, metadata }: CustomResourceDefinition, others: Iterable<Holder>): Grant {
  const resources = new Set<string>()
  const kinds = new Set<string>()
  for (const { group, uid, names: taken } of others) {
    if (group !== spec.group || uid === metadata?.uid || !taken) continue
    for (const name of [taken.plural, taken.singular, ...(taken.shortNames ?? [])]) if (name) resources.add(name)
    for (const name of [taken.kind, taken.listKind]) if (name) kinds.add(name)
  }
  const { names } = spec
  const before = status?.acceptedNames
  let conflict: Grant['conflict']
  const granted = { ...(before ?? { plural: '', kind: '' }) }
  const ask = <F extends keyof CustomResourceDefinitionNames>(field: F, reason: string, taken: Set<string>) => {
    const wanted = names[field]
    const clashes = [wanted ?? []].flat().filter((name) => taken.has(name as string))
    if (clashes.length > 0) {
      const texts = clashes.map((name) => `${JSON.stringify(name)} is already in use`)
      conflict = { reason, message: texts.length > 1 ? `[${texts.join(', ')}]` : texts[0]! }
    } else if (wanted === undefined) delete granted[field]
    else granted[field] = wanted
  }
  ask('plural', 'PluralConflict', resources)
  ask('singular', 'SingularConflict', resources)
  ask('shortNames', 'ShortNamesConflict', resources)
  ask('kind', 'KindConflict', kinds)
  ask('listKind', 'ListKindConflict', kinds)
  if (names.categories) granted.categories = names.categories
  else delete granted.categories
  return { granted, conflict }
}

function conditionOfApproval({
  spec,
  metadata,
}: CustomResourceDefinition): { status: string; reason: string; message: string } | undefined {
  if (!needsApproval(spec.group)) return undefined
  const { state, value } = approvalOf(metadata)
  switch (state) {
    case 'missing':
      return { status: 'False', reason: 'MissingAnnotation', message: NOT_APPROVED.missing }
    case 'invalid':
      return { status: 'False', reason: 'InvalidAnnotation', message: NOT_APPROVED.invalid }
    case 'unapproved':
      return { status: 'False', reason: 'UnapprovedAnnotation', message: `not approved: ${JSON.stringify(value)}` }
    case 'approved':
      return { status: 'True', reason: 'ApprovedAnnotation', message: `approved in ${value}` }
  }
}
