import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { FOR_START, FOR_WORK } from './v8-tuning.ts'

const MB = 2 ** 20
const PROGRAM = `
  import { getHeapSpaceStatistics } from 'node:v8'
  import { tuneForStart, tuneForWork } from ${JSON.stringify(new URL('v8-tuning.ts', import.meta.url).href)}
  const size = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size
  const kept = []
  const load = () => {
    for (let i = 0; i < 2e6; i++) kept[i % 50_000] = [i, { i }]
    return size()
  }
  tuneForStart()
  const held = load()
  tuneForWork()
  console.log(JSON.stringify([held, load()]))
`

test('tuneForWork lets the young generation grow under load, and tuneForStart does not', () => {
  const flags = ['--min-semi-space-size=4', '--max-semi-space-size=16', '--input-type=module', '-e', PROGRAM]
  const [held, grown] = JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8' }))
  assert.ok(held <= 8 * MB, `${held} bytes while held`)
  assert.ok(grown > 16 * MB, `${grown} bytes under load`)
})

// V8 passes over flags it does not know without a word.
test('tuneForStart and tuneForWork ask for what this V8 knows', () => {
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
  for (const flag of [...FOR_START, ...FOR_WORK]) assert.ok(known.includes(`${flag.split('=')[0]} `), flag)
})
