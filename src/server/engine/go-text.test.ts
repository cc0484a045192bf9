import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conversionError } from './go-text.ts'
import { configMap, deployment, IN_DEFAULT, startRequests } from './requests.ts'

for (const [message, expected] of [
  ['json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container', 'cannot restore slice from map'],
  ['json: cannot unmarshal string into Go struct field ConfigMap.data of type map[string]string', 'cannot restore map from string'],
  ['json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec', 'cannot restore struct from: slice'],
  ['json: cannot unmarshal number into Go struct field ConfigMap.data of type string', 'cannot convert int64 to string'],
  ['json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.x of type int64', 'cannot convert float64 to int64'],
  ['strict decoding error: unknown field "x"', 'strict decoding error: unknown field "x"'],
]) {
  test(`conversionError makes ${expected}`, () => assert.equal(conversionError(message!), expected))
}

test('a strategic patch that fits nothing is shown as it was sent', async () => {
  await using t = await startRequests()
  const path = '/apis/apps/v1/namespaces/default/deployments'
  await t.send('POST', path, deployment('web'))
  await t.send('POST', `${IN_DEFAULT}/configmaps`, configMap('a'))
  const patch = { spec: { template: { spec: { containers: { name: 'c' } } } } }
  const { status, json } = await t.send('PATCH strategic', `${path}/web`, patch)
  const shown = 'map[spec:map[template:map[spec:map[containers:map[name:c]]]]]'
  assert.equal(status, 422)
  assert.equal(json.message, ` "" is invalid: patch: Invalid value: "${shown}": cannot restore slice from map`)
  const scalar = (await t.send('PATCH strategic', `${IN_DEFAULT}/configmaps/a`, { data: { port: 80 } })).json
  assert.equal(scalar.message, ' "" is invalid: patch: Invalid value: "map[data:map[port:80]]": cannot convert int64 to string')
})
