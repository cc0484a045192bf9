import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
import { customDefinition } from '#api/custom/testing.ts'
import { CustomResourceDefinition } from '#api/kinds/apiextensions/custom-resource-definition.ts'
import { startTestCluster } from './testing.ts'

test('validatingAdmissionPolicyStatusController tells of expressions that do not fit the kinds they are about', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['validatingadmissionpolicy-status-controller'] })
  const name = 'p'
  const rule = { operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments', 'statefulsets'] }
  await client.create(ValidatingAdmissionPolicy, {
    metadata: { name },
    spec: {
      matchConstraints: { resourceRules: [rule] },
      validations: [
        { expression: 'object.spec.replicas > 1' },
        { expression: "object.spec.replicas > '1'" },
        { expression: 'has(object.spec.serviceName)' },
      ],
    },
  })
  const settled = (generation: number) =>
    eventually(async () => {
      const { status } = await client.get(ValidatingAdmissionPolicy, { name })
      return status?.observedGeneration === generation && status
    })
  const { typeChecking } = await settled(1)
  const [types, fields] = typeChecking!.expressionWarnings!
  assert.equal(types!.fieldRef, 'spec.validations[1].expression')
  const wrong = (kind: string) =>
    `apps/v1, Kind=${kind}: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n | object.spec.replicas > '1'\n | .....................^\n`
  assert.equal(types!.warning, `${wrong('Deployment')}\n${wrong('StatefulSet')}`)
  assert.equal(fields!.fieldRef, 'spec.validations[2].expression')
  assert.match(fields!.warning, /^apps\/v1, Kind=Deployment: ERROR: <input>:1:4: undefined field 'serviceName'/)
  assert.equal(typeChecking!.expressionWarnings!.length, 2)
  await client.patch(ValidatingAdmissionPolicy, { name }, { type: 'merge', patch: { spec: { validations: [{ expression: 'true' }] } } })
  assert.equal((await settled(2)).typeChecking?.expressionWarnings, undefined)
})

test('validatingAdmissionPolicyStatusController checks custom resources in every version, and params in theirs', async (t) => {
  const { client, eventually } = await startTestCluster(t, { only: ['validatingadmissionpolicy-status-controller'] })
  const definition = customDefinition('Boat', { versions: ['v1', 'v2', 'v3'], stored: 'v1' })
  const sized = (type: string) => ({ openAPIV3Schema: { type: 'object', properties: { oars: { type } } } })
  definition.spec.versions[0]!.schema = sized('integer')
  definition.spec.versions[1]!.schema = sized('string')
  definition.spec.versions[2]!.served = false
  await client.create(CustomResourceDefinition, definition)
  await eventually(async () => {
    const { status } = await client.get(CustomResourceDefinition, { name: definition.metadata!.name! })
    return status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True')
  })
  const rule = { apiGroups: ['example.com'], apiVersions: ['v1', 'v2', 'v3'], operations: ['CREATE'], resources: ['boats'] }
  await client.create(ValidatingAdmissionPolicy, {
    metadata: { name: 'boats' },
    spec: {
      paramKind: { apiVersion: 'example.com/v2', kind: 'Boat' },
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: 'object.oars > 3' }, { expression: 'params.oars == "3"' }, { expression: 'params.oar == "3"' }],
    },
  })
  const warnings = await eventually(
    async () => (await client.get(ValidatingAdmissionPolicy, { name: 'boats' })).status?.typeChecking?.expressionWarnings,
  )
  assert.deepEqual(
    warnings.map(({ fieldRef, warning }) => [fieldRef, warning.match(/Kind=.*undefined|v\d, Kind=.*'_>_'/g)?.length]),
    [
      ['spec.validations[0].expression', 1],
      ['spec.validations[2].expression', 2],
    ],
  )
})
