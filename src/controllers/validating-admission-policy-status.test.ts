import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
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
