import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodStatus } from '#api/generated/types.ts'
import { difference } from './status-writer.ts'

const stored: PodStatus = {
  phase: 'Pending',
  reason: 'Old',
  qosClass: 'BestEffort',
  conditions: [
    { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'x' },
    { type: 'example.com/gate', status: 'True' },
  ],
}

test('difference is empty for equal statuses, whatever the order of keys', () => {
  assert.deepEqual(
    difference(
      { qosClass: 'BestEffort', ...stored, conditions: [{ status: 'False', message: 'x', type: 'Ready', reason: 'ContainersNotReady' }] },
      stored,
    ),
    {},
  )
})

test('difference clears what is no more and leaves others’ conditions alone', () => {
  assert.deepEqual(difference({ phase: 'Running', qosClass: 'BestEffort', conditions: [{ type: 'Ready', status: 'True' }] }, stored), {
    phase: 'Running',
    reason: null,
    conditions: [{ reason: null, message: null, type: 'Ready', status: 'True' }],
  })
})
