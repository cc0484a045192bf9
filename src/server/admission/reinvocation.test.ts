import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '#api/object.ts'
import type { AdmissionPlugin } from '#server/request.ts'
import { configMap, IN_DEFAULT, startRequests } from '#server/engine/requests.ts'

/** A plugin like the one of webhooks: each entry is one webhook that sets a label once. */
function labels(name: string, entries: { label: string; ifNeeded: boolean }[], calls: string[]): AdmissionPlugin {
  return {
    name,
    admit({ object, reinvocation }) {
      const own = reinvocation!.of(name)
      own.begin(object)
      for (const { label, ifNeeded } of entries) {
        if (!own.wants(label)) continue
        calls.push(label)
        own.done(label, { changed: add(object!, label), ifNeeded })
      }
      own.end(object)
    },
  }
}

function add(object: KubeObject, label: string): boolean {
  const had = object.metadata!.labels?.[label] === '1'
  object.metadata!.labels = { ...object.metadata!.labels, [label]: '1' }
  return !had
}

const cases: { title: string; entries: Parameters<typeof labels>[1]; calls: string[] }[] = [
  {
    title: 'who said Never is asked once',
    entries: [
      { label: 'a', ifNeeded: false },
      { label: 'b', ifNeeded: false },
    ],
    calls: ['a', 'b'],
  },
  {
    title: 'who came before a change is asked again',
    entries: [
      { label: 'a', ifNeeded: true },
      { label: 'b', ifNeeded: false },
    ],
    calls: ['a', 'b', 'a'],
  },
  { title: 'who changed last is not', entries: [{ label: 'a', ifNeeded: true }], calls: ['a'] },
]

for (const { title, entries, calls: expected } of cases)
  test(`Reinvocation: ${title}`, async () => {
    const calls: string[] = []
    await using server = await startRequests({ extensions: () => ({ admission: [labels('hooks', entries, calls)] }) })
    const { status } = await server.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x'))
    assert.equal(status, 201)
    assert.deepEqual(calls, expected)
  })

test('Reinvocation: what a later plugin changes concerns the earlier one', async () => {
  const calls: string[] = []
  const policies = labels(
    'policies',
    [
      { label: 'a', ifNeeded: true },
      { label: 'n', ifNeeded: false },
    ],
    calls,
  )
  const hooks = labels('hooks', [{ label: 'b', ifNeeded: true }], calls)
  await using server = await startRequests({ extensions: () => ({ admission: [policies, hooks] }) })
  await server.send('POST', `${IN_DEFAULT}/configmaps`, configMap('x'))
  assert.deepEqual(calls, ['a', 'n', 'b', 'a'])
})
