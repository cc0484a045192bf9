import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '#lib/clock.ts'
import type { ClusterConfig } from './config.ts'
import type { Platform } from './platform.ts'
import { runProgram } from './program.ts'

/** What the cluster would have been started with. */
async function configured(...words: string[]): Promise<ClusterConfig | undefined> {
  const directory = mkdtempSync(join(tmpdir(), 'program-'))
  let given: ClusterConfig | undefined
  const platform = {
    clock: systemClock,
    startCluster(config: ClusterConfig) {
      given = config
      return Promise.reject(Object.assign(new Error('enough'), { code: 'ENOSPC' }))
    },
  } as unknown as Platform
  try {
    await runProgram(['server', '--data-dir', directory, '--store', 'memory', ...words], platform)
  } finally {
    rmSync(directory, { recursive: true })
  }
  return given
}

test('runProgram passes on every flag as it stands', async () => {
  const { flags = {}, access } = (await configured('--port', '0', '--api-audiences', 'a,b', '--anonymous-auth=false'))!
  assert.deepEqual(
    [
      'port',
      'store',
      'api-audiences',
      'anonymous-auth',
      'detach',
      'kubeconfig',
      'authorization-mode',
      'service-account-extend-token-expiration',
    ].map((name) => flags[name]),
    ['0', 'memory', '["a","b"]', 'false', 'false', '', '', ''],
  )
  assert.deepEqual(access, { apiAudiences: ['a', 'b'], anonymousAuth: false })
})

test('runProgram takes a boolean flag alone as a yes', async () => {
  const { access } = (await configured('--anonymous-auth', '--service-account-extend-token-expiration'))!
  assert.deepEqual(access, { serviceAccountExtendTokenExpiration: true, anonymousAuth: true })
})

test('runProgram refuses flags that are not there by name', async () => {
  const said: string[] = []
  const write = process.stderr.write
  process.stderr.write = ((text: string) => said.push(text)) as unknown as typeof write
  try {
    assert.equal(await configured('--token-auth-file', 'x'), undefined)
  } finally {
    process.stderr.write = write
  }
  assert.match(said.join(''), /unknown option '--token-auth-file'/)
})
