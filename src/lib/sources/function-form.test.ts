import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Script } from 'node:vm'
import { functionForm } from './function-form.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Asked {
  exports: Record<string, unknown>
  own: string[]
  foreign: string[]
}

const OWN: Record<string, object> = {
  'room/one.ts': { one: 1, two: 2 },
  'other/far.ts': { far: 'far' },
  'room/facts.json': { fact: true },
}

function evaluated(text: string): Asked {
  const own: string[] = []
  const foreign: string[] = []
  const made = new Script(functionForm(text, 'room/file.ts')).runInThisContext() as (...imports: unknown[]) => Record<string, unknown>
  const giveOwn = (file: string) => {
    own.push(file)
    return OWN[file]
  }
  const giveForeign = (name: string) => {
    foreign.push(name)
    return process.getBuiltinModule(name)
  }
  const later = async (name: string) => giveOwn(name) ?? giveForeign(name)
  const exports = made(giveOwn, giveForeign, later, later, 'file:///room/file.ts')
  return { exports, own, foreign }
}

const FORMS: [string, string, Record<string, unknown>][] = [
  ['names', `import { one, two as second } from './one.ts'\nexport const sum: number = one + second`, { sum: 3 }],
  ['names over lines', `import {\n  one,\n  two,\n} from '#room/one.ts'\nexport const sum = one + two`, { sum: 3 }],
  ['a type beside a name', `import { type One, one } from './one.ts'\nexport const same: One = one`, { same: 1 }],
  ['a room', `import { far } from '#other/far.ts'\nexport const place = far`, { place: 'far' }],
  ['what another file exports', `export { one } from './one.ts'`, { one: 1 }],
  ['what was imported', `import { one } from './one.ts'\nexport { one }`, { one: 1 }],
  ['where it is', `export const url = import.meta.url`, { url: 'file:///room/file.ts' }],
]

for (const [name, text, expected] of FORMS) {
  test(`functionForm understands ${name}`, () => assert.deepEqual({ ...evaluated(text).exports }, expected))
}

test('functionForm understands a file of facts and modules of Node', () => {
  const { exports, own, foreign } = evaluated(`
import tls, { type TLSSocket, checkServerIdentity } from 'node:tls'
import path from 'node:path'
import facts from './facts.json' with { type: 'json' }
export const known = [facts.fact, path.sep, tls.checkServerIdentity === checkServerIdentity] as unknown[]`)
  assert.deepEqual(exports['known'], [true, '/', true])
  assert.deepEqual([own, foreign], [['room/facts.json'], ['node:tls', 'node:tls', 'node:path']])
})

test('functionForm gives out every form of declaration', async () => {
  const { exports } = evaluated(`
export interface Gone { a: string }
export type AlsoGone = Gone
export function plain(): number { return 1 }
export async function late(): Promise<object> { return import('./one.ts') }
export function* many(): Generator<number> { yield 1 }
export async function* lateMany(): AsyncGenerator<number> { yield 1 }
export abstract class Shape<T> { abstract area(): T }
export class Square extends Shape<number> { area() { return 1 } }
export const value: number = 1`)
  assert.deepEqual(Object.keys(exports), ['plain', 'late', 'many', 'lateMany', 'Shape', 'Square', 'value'])
  assert.equal(await (exports['late'] as () => Promise<object>)(), OWN['room/one.ts'])
})

for (const text of [
  `export default 1`,
  `export * from './one.ts'`,
  `export let count = 0`,
  `export const { a } = b`,
  `import * as all from './one.ts'`,
  `import './one.ts'`,
  `import js from 'js-yaml'`,
  `import one from './one.ts'`,
  `export { one as two } from './one.ts'`,
]) {
  test(`functionForm refuses ${text}`, () => assert.throws(() => functionForm(text, 'room/file.ts'), /room\/file\.ts: /))
}

test('functionForm leaves every line where it is', () => {
  const text = `import {\n  one,\n} from './one.ts'\n\nexport { two } from './one.ts'\nexport const line = new Error().stack`
  assert.match(String(evaluated(text).exports['line']), /evalmachine\.<anonymous>:6:/)
})

test('functionForm understands every file of this program, and gives out what it exports', async () => {
  // The one is the entry, the other runs in a thread of its own.
  const apart = ['main.ts', 'server/decoding/worker.ts']
  const files = globSync('**/*.ts', { cwd: root }).filter((file) => !/\.test\.ts$|^api\/generated\//.test(file) && !apart.includes(file))
  assert.ok(files.length > 900)
  for (const file of files) {
    const form = functionForm(readFileSync(root + file, 'utf8'), file)
    assert.ok(new Script(form))
    const [, exported = ''] = /\nreturn \{ ([^}]*) \}\n\}\)$/.exec(form)!
    const names = exported
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean)
    assert.deepEqual(names.toSorted(), Object.keys(await import(root + file)).toSorted(), file)
  }
})
