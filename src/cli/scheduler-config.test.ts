import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readSchedulerConfiguration } from './scheduler-config.ts'

const directory = mkdtempSync(join(tmpdir(), 'sampan-scheduler-config-'))
after(() => rmSync(directory, { recursive: true }))
const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n'
const written = (name: string, text: string): string => {
  const file = join(directory, name)
  writeFileSync(file, HEAD + text)
  return file
}

test('readSchedulerConfiguration reads what the file says', async () => {
  const file = written('good', 'clientConnection: {kubeconfig: /k}\nprofiles: [{schedulerName: a}, {schedulerName: b}]\n')
  const { profiles, kubeconfig } = await readSchedulerConfiguration('--config', file)
  assert.deepEqual([profiles.map(({ schedulerName }) => schedulerName), kubeconfig], [['a', 'b'], '/k'])
})

for (const [title, text, message] of [
  ['fields there are none of', 'profile: []\n', /^--config .*: strict decoding error: unknown field "profile"$/],
  ['another leader than the process it is in', 'leaderElection: {}\n', /leaderElect: true is for `sampan scheduler`/],
  [
    'another cluster than the one it is in',
    'clientConnection: {kubeconfig: /k}\n',
    /clientConnection\.kubeconfig is for `sampan scheduler`/,
  ],
] as const) {
  test(`readSchedulerConfiguration refuses ${title}`, async () => {
    const reading = readSchedulerConfiguration('--config', written('bad', text), { within: true })
    await assert.rejects(reading, { name: 'UsageError', message })
  })
}

test('readSchedulerConfiguration says which file is not there', async () => {
  await assert.rejects(readSchedulerConfiguration('--config', join(directory, 'none')), {
    message: /^--config .*none: no such file or directory$/,
  })
})
