import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CommandError } from './errors.ts'
import { flagFor, nothingRuns, runningInstance, takeDataDirectory } from './instance.ts'

const root = mkdtempSync(join(tmpdir(), 'sampan-instance-'))
after(() => rmSync(root, { recursive: true, force: true }))
const fresh = () => mkdtempSync(join(root, 'data-'))

test('takeDataDirectory lets one process in at a time, and says who it is', () => {
  const directory = fresh()
  {
    using _taken = takeDataDirectory(directory, '1.0.0')
    assert.equal(runningInstance(directory)?.pid, process.pid)
    assert.throws(() => takeDataDirectory(directory, '1.0.0'), {
      name: 'CommandError',
      message: `${directory} is in use by a running instance (process ${process.pid}). Stop it with \`sampan down --data-dir ${directory}\`, or choose another --data-dir.`,
    })
  }
  assert.equal(runningInstance(directory), undefined)
})

test('takeDataDirectory takes over from a process that died', () => {
  const directory = fresh()
  writeFileSync(join(directory, 'instance.json'), JSON.stringify({ pid: process.pid, startTime: '1', version: '1.0.0' }))
  using _taken = takeDataDirectory(directory, '1.0.0')
  assert.equal(runningInstance(directory)?.pid, process.pid)
})

test('runningInstance does not take what it may not read for nothing', { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
  const directory = fresh()
  chmodSync(directory, 0o700)
  chmodSync(root, 0o755)
  process.seteuid!(65_534)
  try {
    assert.throws(
      () => runningInstance(directory),
      (error) =>
        error instanceof CommandError && error.message.endsWith('may not be read by this user. Use sudo, or name another with --data-dir.'),
    )
  } finally {
    process.seteuid!(0)
  }
})

test('nothingRuns says how to start it', () => {
  assert.equal(nothingRuns('/d', ' --clock virtual').message, 'nothing runs in /d: start it with `sampan up --data-dir /d --clock virtual`')
})

for (const [directory, flag] of [
  ['/srv/sampan-2', ' --data-dir /srv/sampan-2'],
  ['/home/zoë/データ', ' --data-dir /home/zoë/データ'],
  ['/srv/my cluster', " --data-dir '/srv/my cluster'"],
  ["/srv/it's $HOME", " --data-dir '/srv/it'\\''s $HOME'"],
] as const) {
  test(`flagFor names ${directory} as a shell takes it`, () => assert.equal(flagFor(directory), flag))
}
