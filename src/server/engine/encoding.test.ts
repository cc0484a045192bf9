import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRequests } from './requests.ts'

const PATH = '/api/v1/namespaces/default'

const namesOf = (object: object) => Object.keys(object).join(' ')

test('encodeForStore puts members where upstream has them, however they were sent and patched', async () => {
  await using t = await startRequests()
  const sent = {
    spec: { containers: [{ resources: { limits: { memory: '1Gi', cpu: '1' } }, image: 'i', name: 'c' }] },
    metadata: { labels: { b: '', a: '' }, annotations: { z: '' }, name: 'x' },
    kind: 'Pod',
    apiVersion: 'v1',
  }
  const created = await t.send('POST', `${PATH}/pods`, sent)
  const patched = await t.send('PATCH merge', `${PATH}/pods/x`, { metadata: { generateName: 'x-', finalizers: ['example.com/a'] } })
  const read = await t.send('GET', `${PATH}/pods/x`)
  assert.equal(read.text, patched.text)
  for (const { json } of [created, read]) {
    assert.equal(namesOf(json), 'kind apiVersion metadata spec status')
    const later = json.metadata.finalizers ? 'finalizers managedFields' : 'managedFields'
    const generated = json.metadata.generateName ? 'name generateName' : 'name'
    assert.equal(
      namesOf(json.metadata),
      `resourceVersion ${generated} namespace uid generation creationTimestamp labels annotations ${later}`,
    )
    assert.equal(namesOf(json.metadata.labels), 'a b')
    assert.equal(namesOf(json.spec.containers[0]), 'name image resources terminationMessagePath terminationMessagePolicy imagePullPolicy')
    assert.equal(namesOf(json.spec.containers[0].resources.limits), 'cpu memory')
    assert.equal(namesOf(json.status), 'phase qosClass')
  }
  const { json: list } = await t.send('GET', `${PATH}/pods`)
  assert.equal(namesOf(list.items[0]), 'metadata spec status')
})

test('servedObject of another version than the stored one is in order too', async () => {
  await using t = await startRequests()
  await t.send('POST', `${PATH}/events`, {
    metadata: { name: 'x' },
    type: 'Normal',
    message: 'm',
    reason: 'r',
    involvedObject: { namespace: 'default' },
  })
  const { json } = await t.send('GET', '/apis/events.k8s.io/v1/namespaces/default/events/x')
  assert.equal(
    namesOf(json),
    'kind apiVersion metadata eventTime reason regarding note type deprecatedSource deprecatedFirstTimestamp deprecatedLastTimestamp',
  )
})

test('encodeForStore writes what objects of one form share as it writes what is their own', async () => {
  await using t = await startRequests()
  const sent = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { 'a/b': 'c' } }, data: { k: name } })
  const made = []
  for (const name of ['one', 'two', 'three']) made.push(await t.send('POST', `${PATH}/configmaps`, sent(name)))
  for (const { json, text } of made) {
    assert.equal(text, `${JSON.stringify(json)}\n`)
    const [entry] = json.metadata.managedFields
    assert.match(namesOf(entry), / fieldsType fieldsV1$/)
    assert.deepEqual(entry.fieldsV1, {
      'f:data': { '.': {}, 'f:k': {} },
      'f:metadata': { 'f:labels': { '.': {}, 'f:a/b': {} } },
    })
  }
  const scaled = await t.send('PATCH merge', `${PATH}/configmaps/two?fieldManager=zoe`, { data: { more: '1' } })
  assert.equal(scaled.text, `${JSON.stringify(scaled.json)}\n`)
  assert.deepEqual(
    scaled.json.metadata.managedFields.map(({ fieldsV1 }: { fieldsV1: object }) => fieldsV1),
    [made[1]!.json.metadata.managedFields[0].fieldsV1, { 'f:data': { 'f:more': {} } }],
  )
})
