import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ValidatingAdmissionPolicyBinding } from '#api/kinds/admissionregistration/validating-admission-policy-binding.ts'
import { ValidatingAdmissionPolicy } from '#api/kinds/admissionregistration/validating-admission-policy.ts'
import type { UserInfo } from '#client/client.ts'
import type { RequestAttributes } from '#server/request.ts'
import { startTestServer } from '#server/testing.ts'
import { policyParamAccess } from './param-access.ts'
import { rules } from './testing.ts'

const ANNA: UserInfo = { username: 'anna', groups: ['system:authenticated'] }

test('policyParamAccess lets nobody read through a policy what they may not read', async () => {
  const asked: Partial<RequestAttributes>[] = []
  let allowed = false
  const authorizer = {
    authorize({ verb, group, resource, namespace, name }: RequestAttributes) {
      asked.push({ verb, group, resource, namespace, name })
      return { allowed, reason: '' }
    },
  }
  await using test = await startTestServer({ extensions: (context) => ({ admission: [policyParamAccess(context, authorizer)] }) })
  const anna = test.server.clientFor(ANNA)
  const policy = (name: string): ValidatingAdmissionPolicy => ({
    metadata: { name },
    spec: {
      paramKind: { apiVersion: 'v1', kind: 'Secret' },
      matchConstraints: rules('configmaps'),
      validations: [{ expression: 'params != null' }],
    },
  })
  const binding = (name: string, paramRef: object): ValidatingAdmissionPolicyBinding => ({
    metadata: { name },
    spec: { policyName: 'a', validationActions: ['Deny'], paramRef: { parameterNotFoundAction: 'Deny', ...paramRef } },
  })
  await assert.rejects(anna.create(ValidatingAdmissionPolicy, policy('a')), {
    message:
      'ValidatingAdmissionPolicy.admissionregistration.k8s.io "a" is invalid: spec.paramKind: Forbidden: user &{anna  [system:authenticated] map[]} must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)',
  })
  await test.client.create(ValidatingAdmissionPolicy, policy('a'))
  await assert.rejects(anna.create(ValidatingAdmissionPolicyBinding, binding('b', { name: 's', namespace: 'x' })), {
    message: /spec\.paramRef: Forbidden: user .* does not have "get" permission on the object referenced by paramRef$/,
  })
  await assert.rejects(anna.create(ValidatingAdmissionPolicyBinding, binding('b', { selector: {} })), {
    message: /does not have "list" permission/,
  })
  assert.deepEqual(asked, [
    { verb: 'get', group: '', resource: 'secrets', namespace: '*', name: '*' },
    { verb: 'get', group: '', resource: 'secrets', namespace: 'x', name: 's' },
    { verb: 'list', group: '', resource: 'secrets', namespace: '', name: '' },
  ])
  allowed = true
  await anna.create(ValidatingAdmissionPolicyBinding, binding('b', { name: 's', namespace: 'x' }))
  allowed = false
  const change = { type: 'merge', patch: { metadata: { labels: { a: 'b' } } } } as const
  await anna.patch(ValidatingAdmissionPolicyBinding, { name: 'b' }, change)
})
