import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CustomResourceDefinition } from '#api/generated/types.ts'
import { withNames } from './names.ts'

const MUST = 'protected groups must have approval annotation "api-approved.kubernetes.io"'
const SEE = 'see https://github.com/kubernetes/enhancements/pull/1111'
const APPROVALS: [annotation: string | undefined, status: string, reason: string, message: string][] = [
  [undefined, 'False', 'MissingAnnotation', `${MUST}, ${SEE}`],
  ['', 'False', 'MissingAnnotation', `${MUST}, ${SEE}`],
  ['unapproved, for a test', 'False', 'UnapprovedAnnotation', 'not approved: "unapproved, for a test"'],
  ['https://example.com/1', 'True', 'ApprovedAnnotation', 'approved in https://example.com/1'],
  ['yes', 'False', 'InvalidAnnotation', `${MUST} with either a URL or a reason starting with "unapproved", ${SEE}`],
]

const conditionsOf = (group: string, annotation?: string) => {
  const annotations = annotation === undefined ? {} : { annotations: { 'api-approved.kubernetes.io': annotation } }
  const definition = {
    metadata: { name: `boats.${group}`, ...annotations },
    spec: { group, scope: 'Cluster', names: { plural: 'boats', kind: 'Boat' }, versions: [] },
  } as CustomResourceDefinition
  return withNames(definition, [], '2026-01-01T00:00:00Z').status!.conditions!.filter(({ type }) => type.startsWith('Kubernetes'))
}

for (const [annotation, status, reason, message] of APPROVALS) {
  test(`withNames judges the approval ${JSON.stringify(annotation)} of a protected group`, () => {
    const type = 'KubernetesAPIApprovalPolicyConformant'
    const lastTransitionTime = '2026-01-01T00:00:00Z'
    for (const group of ['k8s.io', 'x.k8s.io', 'a.kubernetes.io'])
      assert.deepEqual(conditionsOf(group, annotation), [{ type, status, reason, message, lastTransitionTime }])
    for (const group of ['example.com', 'myk8s.io']) assert.deepEqual(conditionsOf(group, annotation), [])
  })
}
