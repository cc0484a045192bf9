import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

const MB = 2 ** 20
const PROGRAM = `
  import { getHeapSpaceStatistics } from 'node:v8'
  import { holdYoungGeneration, letYoungGenerationGrow } from ${JSON.stringify(new URL('young-generation.ts', import.meta.url).href)}
  const size = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size
  const kept = []
  const load = () => {
    for (let i = 0; i < 2e6; i++) kept[i % 50_000] = [i, { i }]
    return size()
  }
  holdYoungGeneration()
  const held = load()
  letYoungGenerationGrow()
  console.log(JSON.stringify([held, load()]))
`

test('the young generation grows under load once it may, and not before', () => {
  const flags = ['--min-semi-space-size=4', '--max-semi-space-size=16', '--input-type=module', '-e', PROGRAM]
  const [held, grown] = JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8' }))
  assert.ok(held <= 8 * MB, `${held} bytes while held`)
  assert.ok(grown > 16 * MB, `${grown} bytes under load`)
})
