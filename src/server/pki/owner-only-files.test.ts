import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createVirtualClock } from '#lib/virtual-clock.ts'
import { OwnerOnlyFiles } from './owner-only-files.ts'

function directoryFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'owner-only-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

test('OwnerOnlyFiles.alone waits for each that is alone before, and takes over from one that has been for too long', async (t) => {
  const directory = directoryFor(t)
  const clock = createVirtualClock()
  const files = new OwnerOnlyFiles(directory, clock)
  const lock = join(directory, '.lock')
  let last = false
  const first = await files.alone()
  const waiting = files.alone().then((alone) => ((last = true), alone))
  await clock.advance(4000)
  first[Symbol.dispose]()
  const second = await files.alone()
  utimesSync(lock, 1, 1)
  await clock.advance(4000)
  assert.equal(last, false)
  second[Symbol.dispose]()
  await clock.advance(10)
  assert.equal(last, true)
  const alone = await waiting
  alone[Symbol.dispose]()
  assert.equal(existsSync(lock), false)

  // Of a process that runs, but is not who wrote it.
  writeFileSync(lock, String(process.pid))
  const late = files.alone()
  await clock.advance(6000)
  const own = await late
  own[Symbol.dispose]()
})
