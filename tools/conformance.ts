// Runs our tests of upstream's conformance tests and writes what came of it to interop/conformance.md, every test of the release by name.
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = 'interop/conformance'

/** Upstream's e2e framework names what a test needs: the API alone, controllers too, pods that only look alive, real ones, their network, volumes. */
const CLASSES: Record<string, string> = {
  API: 'the API server alone',
  CTRL: 'controllers or the scheduler',
  FAKE: 'pods that run, simulated ones will do',
  REAL: 'real containers',
  NET: 'real containers and their network',
  VOL: 'real containers and volumes',
}

const results = new Map<string, boolean>()
const files = globSync(`${folder}/*.test.ts`, { cwd: root }).map((file) => join(root, file))
const stream = run({ files, concurrency: 2 })
stream.on('test:pass', ({ name, skip }) => void (skip === undefined && results.set(name, results.get(name) ?? true)))
stream.on('test:fail', ({ name, details }) => {
  results.set(name, false)
  process.stderr.write(`${name}: ${inspect(details.error.cause ?? details.error)}\n`)
})
for await (const _ of stream);

const rows = readFileSync(join(root, folder, 'names.tsv'), 'utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t') as [area: string, kind: string, name: string])
const known = new Set(rows.map(([, , name]) => name))
const strange = [...results.keys()].filter((name) => name.startsWith('[sig-') && !known.has(name))
if (strange.length > 0) throw new Error(`no tests of the release: ${strange.join('; ')}`)
const stateOf = (name: string) => {
  const passed = results.get(name)
  return passed === undefined ? 'not yet' : passed ? 'pass' : 'fail'
}
const count = (of: readonly (typeof rows)[number][], state: string) => of.filter(([, , name]) => stateOf(name) === state).length
const lines = [
  '# Conformance',
  '',
  'The conformance tests of Kubernetes v1.36 by name, and what our tests of the same names, written from their descriptions, say.',
  'Made by `node tools/conformance.ts`; a test without one of ours is "not yet", whatever Sampan can do.',
  '',
  '| class | needs | tests | pass | fail | not yet |',
  '|---|---|---|---|---|---|',
  ...Object.entries(CLASSES).map(([kind, needs]) => {
    const own = rows.filter(([, of]) => of === kind)
    return `| ${kind} | ${needs} | ${own.length} | ${count(own, 'pass')} | ${count(own, 'fail')} | ${count(own, 'not yet')} |`
  }),
  `| all | | ${rows.length} | ${count(rows, 'pass')} | ${count(rows, 'fail')} | ${count(rows, 'not yet')} |`,
]
for (const [area, own] of [...Map.groupBy(rows, ([of]) => of)].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
  lines.push('', `## ${area}`, '', '| test | class | result |', '|---|---|---|')
  for (const [, kind, name] of own) lines.push(`| ${name.replaceAll('|', '\\|')} | ${kind} | ${stateOf(name)} |`)
}
writeFileSync(join(root, 'interop/conformance.md'), `${lines.join('\n')}\n`)
process.stdout.write(`${count(rows, 'pass')} pass, ${count(rows, 'fail')} fail, ${count(rows, 'not yet')} not yet, of ${rows.length}\n`)
process.exitCode = count(rows, 'fail') > 0 ? 1 : 0
