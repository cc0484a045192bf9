import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deployment } from '#api/kinds/apps/deployment.ts'
import { newSetAnnotations, REVISION } from './annotations.ts'

const HISTORY = 'deployment.kubernetes.io/revision-history'
const historyAfter = (history: string, revision: string) =>
  newSetAnnotations({} as Deployment, { [HISTORY]: history, [REVISION]: revision }, 100_000n)[HISTORY]

test('the history of revisions keeps the latest that 2000 characters hold, whatever was there', () => {
  assert.equal(historyAfter('', '1'), '1')
  assert.equal(historyAfter('1,3', '5'), '1,3,5')
  assert.equal(historyAfter(`7,${'12,'.repeat(665)}1`, '5'), `7,${'12,'.repeat(665)}1,5`)
  assert.equal(historyAfter(`7,${'12,'.repeat(665)}13`, '5'), `${'12,'.repeat(665)}13,5`)
  assert.equal(historyAfter(`${'1,'.repeat(130_000)}1`, '15'), `${'1,'.repeat(999)}15`)
})
