// Whole numbers of 64 bits in fields of every built-in kind: whatever becomes of the object, it is upstream's answer and never a fault; what is kept
// keeps its digits; and code of this process reckons with numbers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clone, isObject } from '#api/clone.ts'
import type { Kind } from '#api/kind.ts'
import { Pod } from '#api/kinds/core/pod.ts'
import { builtinKinds } from '#api/kinds.ts'
import { minimalObject } from '#api/kinds/minimal-objects.ts'
import { type Plan, planOf } from '#api/schema/plan.ts'
import { IN_DEFAULT, pod, type Requests, startRequests } from './requests.ts'

const LONG = ['9223372036854775807', '-9223372036854775808', '9007199254740993']
const MARK = 77_777_777

type Step = string | number

/** Paths to all such fields, no definition twice on the way. */
function* longFields(plan: Plan, path: Step[] = [], seen: Plan[] = []): Generator<Step[]> {
  if (plan.shape === 'int64') yield path
  if (seen.includes(plan) || path.length > 9) return
  const inner = [...seen, plan]
  if (plan.shape === 'list' && plan.items) yield* longFields(plan.items, [...path, 0], inner)
  else if (plan.shape === 'map' && plan.items) yield* longFields(plan.items, [...path, 'a'], inner)
  else for (const [name, field] of plan.fields) if (name !== 'managedFields') yield* longFields(field, [...path, name], inner)
}

function withField(object: any, path: Step[], value: unknown): any {
  const [step, ...rest] = path
  if (step === undefined) return value
  const own = typeof step === 'number' ? (Array.isArray(object) ? [...object] : []) : isObject(object) ? { ...object } : {}
  ;(own as any)[step] = withField((own as any)[step], rest, value)
  return own
}

const rootOf = ({ group, version }: Kind) => (group ? `/apis/${group}/${version}` : `/api/${version}`)

async function tryField(t: Requests, kind: Kind, path: Step[], number: string): Promise<boolean> {
  const where = `${kind.kind}.${path.join('.')} ${number}`
  const collection = `${rootOf(kind)}${kind.scope === 'Namespaced' ? '/namespaces/default' : ''}/${kind.plural}`
  const text = JSON.stringify(withField(clone(minimalObject(kind)), path, MARK)).replace(String(MARK), number)
  const made = await t.send('POST', collection, text)
  assert.ok(made.status < 500, `${where}: ${made.text}`)
  if (made.status !== 201) return false
  const object = `${collection}/${made.json.metadata.name}`
  const kept = made.text.includes(number)
  for (const accept of [
    'application/json',
    'application/json;as=Table;g=meta.k8s.io;v=v1',
    'application/vnd.kubernetes.protobuf',
    'application/yaml',
  ])
    for (const at of [object, collection]) assert.ok((await t.send('GET', at, undefined, { accept })).status < 500, `${where} ${accept}`)
  const labels = { metadata: { labels: { a: 'b' } } }
  const identity = { apiVersion: made.json.apiVersion, kind: made.json.kind }
  for (const [method, body, query] of [
    ['PATCH merge', labels, ''],
    ['PATCH strategic', labels, ''],
    ['PATCH json', [{ op: 'test', path: '/kind', value: kind.kind }], ''],
    ['PATCH apply', { ...identity, metadata: { name: made.json.metadata.name, annotations: { c: 'd' } } }, '?fieldManager=m'],
    ['PUT', (await t.send('GET', object)).text, ''],
  ] as const) {
    const changed = await t.send(method, object + query, body)
    assert.ok(changed.status < 500, `${where} ${method}: ${changed.text}`)
    if (changed.status === 200) assert.equal(changed.text.includes(number), kept, `${where} ${method}`)
  }
  const gone = await t.send('DELETE', object)
  assert.ok(gone.status < 500, `${where}: ${gone.text}`)
  return kept
}

test('fields of 64 bits hold every number of them, in all kinds', async () => {
  await using t = await startRequests()
  let kept = 0
  for (const kind of builtinKinds) {
    if (!kind.verbs.includes('create') || !kind.verbs.includes('get')) continue
    const seen = new Set<string>()
    for (const path of longFields(planOf(kind.schema))) {
      // What hangs on a type is the same wherever the type is.
      const name = path.slice(-2).join('.')
      if (seen.has(name)) continue
      seen.add(name)
      for (const number of LONG) if (await tryField(t, kind, path, number)) kept++
    }
  }
  assert.ok(kept > 60, String(kept))
})

test('code of this process sees the nearest number there is, and writes what it has not changed as it was', async () => {
  await using t = await startRequests()
  const tolerations = [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: MARK }]
  await t.send('POST', `${IN_DEFAULT}/pods`, JSON.stringify(pod('p', { tolerations })).replace(String(MARK), LONG[0]!))
  const { client } = t
  const key = { namespace: 'default', name: 'p' }
  const read = await client.get(Pod, key)
  assert.equal(read.spec?.tolerations?.[0]?.tolerationSeconds, 2 ** 63 - 1024)
  assert.equal((await client.list(Pod)).items[0]?.spec?.tolerations?.[0]?.tolerationSeconds, 2 ** 63 - 1024)
  await client.update(Pod, { ...read, status: { phase: 'Running' } }, { subresource: 'status' })
  await client.patch(Pod, key, { type: 'merge', patch: { metadata: { labels: { a: 'b' } } } })
  const again = await client.get(Pod, key)
  await client.update(Pod, { ...again, metadata: { ...again.metadata, annotations: { c: 'd' } } })
  const { text, json } = await t.send('GET', `${IN_DEFAULT}/pods/p`)
  assert.ok(text.includes(LONG[0]!), text)
  assert.deepEqual([json.status.phase, json.metadata.labels, json.metadata.annotations], ['Running', { a: 'b' }, { c: 'd' }])
  assert.equal(json.metadata.generation, 1)
})
