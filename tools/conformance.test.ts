// The record of conformance names every test of the release once, and none of ours as failing. Titles are checked where the record is made.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const names = read('interop/conformance/names.tsv')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t')[2]!)
const listed = new Map(
  [...read('interop/conformance.md').matchAll(/^\| (\[sig-.+) \| [A-Z]+ \| (pass|fail|not yet) \|$/gm)].map(([, name, state]) => [
    name!,
    state!,
  ]),
)

test('conformance.md lists every test of the release, and none else', () => {
  assert.deepEqual([...listed.keys()].toSorted(), names.toSorted())
})

test('no test of ours is recorded as failing', () => {
  assert.deepEqual(
    [...listed].filter(([, state]) => state === 'fail'),
    [],
  )
})
