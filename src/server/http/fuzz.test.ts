// Requests nobody would send on purpose, thousands of them from fixed seeds: each gets an answer, none an internal error, and no prototype changes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status } from '#api/status.ts'
import { configMap, deployment, IN_DEFAULT, pod, startRequests } from '#server/engine/requests.ts'

const ROUNDS = 3000

/** Small numbers from a seed, so that a failure is one again. */
function dice(seed: number) {
  let state = seed
  const below = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return { below, pick: <T>(from: readonly T[]): T => from[below(from.length)]! }
}
type Dice = ReturnType<typeof dice>

const KEYS = [
  'metadata',
  'spec',
  'data',
  'name',
  'labels',
  'template',
  'containers',
  'replicas',
  '$patch',
  '__proto__',
  'constructor',
  'a',
  'op',
]
const LEAVES = [null, true, -1, 1e300, 0.5, '', 'a', '__proto__', 'é\u0000', '9'.repeat(40), [], {}]
const MARKS = ['a', 'in', '(', ')', ',', '=', '!=', '!', 'notin', '\\', '__proto__', ' ', '%00', 'metadata.name', '1']
const OPTIONS = [
  'labelSelector',
  'fieldSelector',
  'limit',
  'continue',
  'resourceVersion',
  'resourceVersionMatch',
  'dryRun',
  'pretty',
  'force',
]
const MORE_OPTIONS = ['fieldManager', 'fieldValidation', 'propagationPolicy', 'gracePeriodSeconds', 'sendInitialEvents', 'includeObject']
const PATHS = [
  'configmaps',
  'configmaps/a',
  'pods',
  'pods/a',
  'pods/a/status',
  'pods/a/binding',
  'configmaps/__proto__',
  '__proto__',
  'pods/a/__proto__',
]
const APPS = ['deployments', 'deployments/a', 'deployments/a/scale', 'deployments/a/status', 'deployments/%2e%2e']
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH json', 'PATCH merge', 'PATCH strategic', 'PATCH apply', 'OPTIONS']
const ACCEPTS = ['application/json', '*/*', 'application/yaml', 'application/json;as=Table;v=v1;g=meta.k8s.io', ';;,;q=x', 'text/html']

function value(random: Dice, depth = 0): unknown {
  if (depth > 4 || random.below(3) === 0) return random.pick(LEAVES)
  if (random.below(4) === 0) return Array.from({ length: random.below(3) }, () => value(random, depth + 1))
  return JSON.parse(
    `{${Array.from({ length: random.below(4) }, () => `${JSON.stringify(random.pick(KEYS))}:${JSON.stringify(value(random, depth + 1))}`)}}`,
  )
}

function operations(random: Dice): unknown {
  return Array.from({ length: random.below(4) }, () => ({
    op: random.pick(['add', 'remove', 'replace', 'move', 'copy', 'test', 'x']),
    path: Array.from({ length: random.below(4) }, () => `/${random.pick([...KEYS, '0', '-', '~2'])}`).join(''),
    from: `/${random.pick(KEYS)}`,
    value: value(random, 2),
  }))
}

function body(random: Dice, method: string): string {
  const made = method === 'PATCH json' && random.below(5) > 0 ? operations(random) : mixed(random)
  const text = JSON.stringify(made) ?? ''
  return random.below(8) === 0 ? text.slice(0, random.below(text.length + 1)) : text
}

/** Often enough what the server expects, but for a part of it. */
function mixed(random: Dice): unknown {
  if (random.below(2) === 0) return value(random)
  const sound = random.pick([configMap('a', { a: 'b' }), deployment('a'), pod('a')]) as Record<string, unknown>
  return { ...sound, [random.pick(KEYS)]: value(random, 1) }
}

function query(random: Dice): string {
  const text = () => Array.from({ length: random.below(5) }, () => random.pick(MARKS)).join('')
  const options = Array.from({ length: random.below(3) }, () => `${random.pick([...OPTIONS, ...MORE_OPTIONS])}=${encodeURI(text())}`)
  return options.length > 0 ? `?${options.join('&')}` : ''
}

/** Upstream gives these no reason, and the code that goes without one. */
const UNREASONED =
  /^resourceVersion: Invalid value|^resourceVersion should not be set|^unknown patch type|^failed to create typed patch object|^target\.name: Required/

for (const seed of [1, 2, 3]) {
  test(`chain answers whatever it is sent (seed ${seed})`, async () => {
    const random = dice(seed)
    await using t = await startRequests()
    for (let round = 0; round < ROUNDS / 3; round++) {
      const method = random.pick(METHODS)
      const place = random.below(3) > 0 ? `${IN_DEFAULT}/${random.pick(PATHS)}` : `/apis/apps/v1/namespaces/default/${random.pick(APPS)}`
      const path = place + query(random)
      const sent = method === 'GET' ? undefined : body(random, method)
      const { status, text } = await t.send(method, path, sent, { accept: random.pick(ACCEPTS) })
      const refusal = status >= 400 && text.startsWith('{') ? (JSON.parse(text) as Status) : undefined
      const told = `${method} ${path} ${sent}: ${status} ${text}`
      assert.ok(status >= 200 && status < 600, told)
      if (status >= 500 && status !== 504) assert.match(refusal?.message ?? /^message: ['"]?(.*)/m.exec(text)?.[1] ?? '', UNREASONED, told)
      assert.notEqual(refusal?.reason, 'InternalError', told)
    }
    assert.deepEqual(Object.keys(Object.prototype), [])
    assert.equal(({} as { a?: unknown }).a, undefined)
    assert.equal((await t.send('GET', '/livez')).text, 'ok')
  })
}
