import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pauseProgram } from './pause-program.ts'

const skip = process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch) ? 'needs Linux on x64 or arm64' : false

describe('pauseProgram', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`waits, ignores SIGCHLD and ends on ${signal} with 0`, { skip }, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'sampan-pause-'))
      try {
        const program = join(directory, 'pause')
        writeFileSync(program, pauseProgram(process.arch as 'x64' | 'arm64'), { mode: 0o755 })
        const child = spawn(program)
        await once(child, 'spawn')
        const status = () => readFileSync(`/proc/${child.pid}/status`, 'utf8')
        // Blocked and waited for: SIGINT and SIGTERM; ignored: SIGCHLD.
        for (let round = 0; round < 60_000 && !/^SigIgn:\t0*10000$/m.test(status()); round++)
          await new Promise((resolve) => setTimeout(resolve, 2))
        assert.match(status(), /^SigIgn:\t0*10000$/m)
        child.kill('SIGCHLD')
        child.kill(signal)
        assert.deepEqual(await once(child, 'exit'), [0, null])
      } finally {
        rmSync(directory, { recursive: true })
      }
    })
  }

  test('is the same few instructions for arm64', () => {
    const program = pauseProgram('arm64')
    assert.equal(program.length, 240)
    // svc #0, four times.
    assert.equal(program.toString('hex').match(/010000d4/g)?.length, 4)
  })
})
