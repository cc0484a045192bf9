// The house as a table: who may import whom. Rooms import from lower floors only; main.ts alone sees every room.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const FLOORS: readonly (readonly string[])[] = [
  ['lib'],
  ['api', 'store'],
  ['client'],
  ['server', 'controllers', 'scheduler', 'node', 'network'],
  ['cli'],
  ['main.ts', 'main'],
]
/** Tests of actors start a real server on a memory store. */
const TESTS_MAY = /^#(server\/|store\/memory\.ts$)/
const isTest = (file: string) => /(\.test|\/testing)\.ts$/.test(file)

const root = fileURLToPath(new URL('../src', import.meta.url))
const floorOf = (room: string) => FLOORS.findIndex((rooms) => rooms.includes(room))
const files = globSync('**/*.ts', { cwd: root }).filter((file) => !file.includes('generated/'))

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'((?:#|\.)[^']+)'/g)].map((match) => match[1]!)
}

test('every folder under src is a room of the house', () => {
  assert.deepEqual(
    [...new Set(files.map((file) => file.split('/')[0]!))].filter((room) => floorOf(room) < 0),
    [],
  )
})

test('rooms import only from lower floors', () => {
  const wrong: string[] = []
  for (const file of files) {
    const room = file.split('/')[0]!
    for (const target of importsOf(file)) {
      if (!target.startsWith('#')) continue
      const other = target.slice(1).split('/')[0]!
      const lower = other === room || floorOf(other) < floorOf(room)
      if (!lower && !(isTest(file) && TESTS_MAY.test(target))) wrong.push(`${file} imports ${target}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('imports are spelled #room/file.ts across folders and ./file.ts below the own one, never ../', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => /\.\.\//.test(target) || !/\.(ts|json)$/.test(target))
      .map((target) => `${file} imports ${target}`),
  )
  assert.deepEqual(wrong, [])
})

/** By name, or as their first line says. The product `sampan/testing` is main's. */
const isForTests = (file: string) =>
  !file.startsWith('main/') &&
  (/(\.test|(^|\/)testing(-[^/]*)?)\.ts$/.test(file) ||
    /^\/\/ (For [^.:]*|[^.:]*, for )tests/i.test(readFileSync(join(root, file), 'utf8')))

test('what is for tests is imported by tests alone', () => {
  const wrong = files
    .filter((file) => !isForTests(file) && !file.startsWith('main/') && !file.endsWith('.test.ts'))
    .flatMap((file) =>
      importsOf(file)
        .map((target) => (target.startsWith('#') ? target.slice(1) : join(dirname(file), target)))
        .filter((target) => target.endsWith('.ts') && existsSync(join(root, target)) && isForTests(target))
        .map((target) => `${file} imports ${target}`),
    )
  assert.deepEqual(wrong, [])
})

/** What may occur in one file only. */
const ONCE: readonly [what: RegExp, where: readonly string[]][] = [
  [/\bDate\.now\(|\bnew Date\(\)|(?<!\.)\bsetTimeout\(|(?<!\.)\bsetInterval\(/, ['lib/clock.ts']],
  [/\bMath\.random\(/, ['lib/random.ts']],
]

test('time and randomness come from one file each', () => {
  const wrong: string[] = []
  for (const file of files) {
    if (isTest(file)) continue
    const code = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    for (const [what, where] of ONCE) if (what.test(code) && !where.includes(file)) wrong.push(`${file}: ${what.exec(code)![0]}`)
  }
  assert.deepEqual(wrong, [])
})

test('node:http is had by lib/node-http.ts alone, which spares loading the fetch of Node with it', () => {
  const wrong = files.filter((file) => !isTest(file) && /^import (?!type\b)[^']*'node:http'/m.test(readFileSync(join(root, file), 'utf8')))
  assert.deepEqual(wrong, [])
})

test('the environment is read by main and the command line alone', () => {
  const wrong = files.filter(
    (file) =>
      !file.endsWith('.test.ts') && !/^(main\.ts|cli\/)/.test(file) && /\bprocess\.env\b/.test(readFileSync(join(root, file), 'utf8')),
  )
  assert.deepEqual(wrong, [])
})
