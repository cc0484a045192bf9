import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ValidatingAdmissionPolicySpec } from '#api/generated/types.ts'
import { builtinKinds } from '#api/kinds.ts'
import { paced } from '#lib/paced.ts'
import { COMPILE_SLICE } from './compile.ts'
import { expressionWarnings } from './type-check.ts'

const rule = (group: string, version: string, resource: string) => ({
  operations: ['CREATE'],
  apiGroups: [group],
  apiVersions: [version],
  resources: [resource],
})

const PODS = rule('', 'v1', 'pods')

const cases: { title: string; spec: Partial<ValidatingAdmissionPolicySpec>; expressions: string[]; warns: string[] }[] = [
  {
    title: 'names of fields as they are, and escaped',
    spec: { matchConstraints: { resourceRules: [PODS] } },
    expressions: [
      "object.metadata.namespace == 'x'",
      "object.metadata.__namespace__ == 'x'",
      "object.spec.containers.all(c, c.name != '')",
    ],
    warns: [],
  },
  {
    title: 'variables by what they are',
    spec: { matchConstraints: { resourceRules: [PODS] }, variables: [{ name: 'containers', expression: 'object.spec.containers' }] },
    expressions: ["variables.containers.all(c, c.image == 'x')", 'variables.containers.all(c, c.picture)'],
    warns: ['spec.validations[1].expression'],
  },
  {
    title: 'parameters by their kind',
    spec: { matchConstraints: { resourceRules: [PODS] }, paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } },
    expressions: ["params.data.max == '1'", 'params.date == 1'],
    warns: ['spec.validations[1].expression'],
  },
  {
    title: 'nothing where a rule could be about anything, or about nothing there is',
    spec: {
      matchConstraints: {
        resourceRules: [rule('*', 'v1', 'pods'), rule('', 'v1', '*'), rule('', 'v1', 'pods/status'), rule('example.com', 'v1', 'pods')],
      },
    },
    expressions: ['object.whatever == 1'],
    warns: [],
  },
]

for (const { title, spec, expressions, warns } of cases)
  test(`expressionWarnings check ${title}`, async () => {
    const checking = expressionWarnings({ ...spec, validations: expressions.map((expression) => ({ expression })) }, builtinKinds)
    const warnings = await paced(checking, COMPILE_SLICE)
    assert.deepEqual(
      warnings.map(({ fieldRef }) => fieldRef),
      warns,
    )
  })
