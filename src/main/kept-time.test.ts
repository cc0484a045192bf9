import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { keptTime } from './kept-time.ts'

const NOW = Date.UTC(2026, 0, 1)

function fresh(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sampan-kept-time-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

test('keptTime begins now, then where it ended, and now again once that is later', (t) => {
  const directory = fresh(t)
  const { startMs, keep } = keptTime(directory, NOW)
  assert.equal(startMs, NOW)
  keep(NOW + 1)
  keep(NOW + 3_600_000)
  assert.equal(keptTime(directory, NOW + 60_000).startMs, NOW + 3_600_000)
  assert.equal(keptTime(directory, NOW + 7_200_000).startMs, NOW + 7_200_000)
})

test('keptTime begins now where what was kept did not reach the disk', (t) => {
  const directory = fresh(t)
  writeFileSync(join(directory, 'clock'), '')
  assert.equal(keptTime(directory, NOW).startMs, NOW)
})
