import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { cachedDataVersionTag } from 'node:v8'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { AT_REST, AT_START, tune, tuneByLoad, UNDER_LOAD } from './v8-tuning.ts'

const MB = 2 ** 20
const PROGRAM = `
  import { getHeapSpaceStatistics } from 'node:v8'
  import { AT_REST, tune, UNDER_LOAD } from ${JSON.stringify(new URL('v8-tuning.ts', import.meta.url).href)}
  const size = () => getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size
  const kept = []
  // As it mostly is: for a moment there may be a few pages more than are allowed for.
  const load = () => {
    const sizes = []
    for (let i = 0; i < 2e6; i++) {
      kept[i % 50_000] = [i, { i }]
      if (i >= 1e6 && i % 50_000 === 0) sizes.push(size())
    }
    return sizes.sort((a, b) => a - b)[sizes.length >> 1]
  }
  tune(AT_REST)
  const held = load()
  tune(UNDER_LOAD)
  console.log(JSON.stringify([held, load()]))
`

test('tune lets the young generation grow under load, and not at rest', () => {
  const flags = ['--min-semi-space-size=4', '--max-semi-space-size=16', '--input-type=module', '-e', PROGRAM]
  const [held, grown] = JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8' }))
  assert.ok(held <= 8 * MB, `${held} bytes while held`)
  assert.ok(grown > 16 * MB, `${grown} bytes under load`)
})

// V8 passes over flags it does not know without a word.
test('tune asks for what this V8 knows', () => {
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
  for (const flag of [...AT_START, ...UNDER_LOAD]) assert.ok(known.includes(`${flag.split('=')[0]} `), flag)
})

test('tuneByLoad goes by the processor time of the last two seconds', async () => {
  const clock = createVirtualClock()
  const applied: (readonly string[])[] = []
  let used = 5000
  using _timer = tuneByLoad(clock, { cpuMs: () => used, apply: (flags) => applied.push(flags) })
  for (const ms of [0, 900, 1100, 2000, 100]) {
    used += ms
    await clock.advance(2000)
  }
  assert.deepEqual(applied, [AT_REST, UNDER_LOAD, AT_REST])
})

test('asAtStart does its work under the flags of the start, and leaves those that were there', async () => {
  const clock = createVirtualClock()
  let used = 0
  const applied: string[] = []
  const apply = (flags: readonly string[]) => {
    applied.push(...flags)
    tune(flags)
  }
  tune(AT_START)
  const atStart = cachedDataVersionTag()
  using tuning = tuneByLoad(clock, { cpuMs: () => used, apply })
  for (const ms of [0, 2000, 0]) {
    used += ms
    await clock.advance(2000)
    const before = cachedDataVersionTag()
    tuning.asAtStart(() => assert.equal(cachedDataVersionTag(), atStart))
    assert.equal(cachedDataVersionTag(), before)
    assert.throws(() => tuning.asAtStart(() => assert.fail('not kept')), /not kept/)
    assert.equal(cachedDataVersionTag(), before)
  }
  // At rest again, what is called often stays compiled sooner.
  assert.ok(applied.at(-1) === AT_REST[0] && applied.at(-2) === UNDER_LOAD[1])
})
