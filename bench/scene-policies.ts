// Policies in CEL that look at, and change, large objects.
import { members, pause, type Turns } from './turns.ts'
import { MAPS } from './scene-parts.ts'

const POLICIES = '/apis/admissionregistration.k8s.io/v1'
const MUTATIONS = {
  apply: { patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{metadata: Object.metadata{labels: {"a": "b"}}}' } },
  json: { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "add", path: "/metadata/labels", value: {"a": "b"}}]' } },
}

export async function policies(turns: Turns): Promise<void> {
  const matchConstraints = {
    resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }],
  }
  const named = (name: string) => [{ name: 'x', expression: `object.metadata.name.startsWith('${name}')` }]
  const validations = [{ expression: "!has(object.data) || object.data.all(k, object.data[k] != 'x')" }]
  await turns.must('POST', `${POLICIES}/validatingadmissionpolicies`, {
    metadata: { name: 'all' },
    spec: { matchConstraints, matchConditions: named('cel'), validations },
  })
  await turns.must('POST', `${POLICIES}/validatingadmissionpolicybindings`, {
    metadata: { name: 'all' },
    spec: { policyName: 'all', validationActions: ['Deny'] },
  })
  for (const [name, mutation] of Object.entries(MUTATIONS)) {
    await turns.must('POST', `${POLICIES}/mutatingadmissionpolicies`, {
      metadata: { name },
      spec: { matchConstraints, failurePolicy: 'Fail', reinvocationPolicy: 'Never', matchConditions: named(name), mutations: [mutation] },
    })
    await turns.must('POST', `${POLICIES}/mutatingadmissionpolicybindings`, { metadata: { name }, spec: { policyName: name } })
  }
  await pause(1500)
  for (const name of ['cel', 'apply', 'json']) {
    for (const size of [0.9e6, 2.5e6])
      await turns.request(`a policy (${name}) on ${size / 1000} KB`, 'POST', MAPS, {
        metadata: { name: `${name}${size}` },
        data: members(size),
      })
    await turns.request(`a policy (${name}) on a PUT of 900 KB`, 'PUT', `${MAPS}/${name}900000`, {
      metadata: { name: `${name}900000` },
      data: { ...members(0.9e6), z: '1' },
    })
  }
}
